import { Cron } from "croner";
import { isGood, type Manifest } from "../backup/format/manifest.ts";
import { isProven, type Proof, readLocalProof } from "../backup/format/proof.ts";
import { readLocalManifests } from "../backup/store/folder.ts";
import { age } from "../human-units.ts";
import type { BackupSettings } from "../settings.ts";
import type { State } from "./state.ts";

export interface Health {
  /** False once the newest proven backup is older than allowed. */
  fresh: boolean;
  /** All that somebody should look at; nothing of it need be urgent. */
  problems: string[];
  newest: Manifest | undefined;
  proven: Proof | undefined;
  copies: number;
  bytes: number;
}

/** What the agent itself can see, without asking the server or the bucket. */
export function readHealth(backups: BackupSettings, state: State, now = new Date()): Health {
  const manifests = readLocalManifests(backups);
  const good = manifests.filter(isGood);
  const proofs = good.map((manifest) => readLocalProof(backups, manifest));
  const proven = proofs.find((proof) => isProven(proof, now));
  const stale = staleness(backups, proven?.restorableTo ?? state.since ?? now.toISOString(), now);
  return {
    fresh: !stale,
    problems: [
      ...(stale ? [proven ? stale : `no backup is proven yet; ${stale}`] : []),
      ...manifests
        .filter(({ standing }) => standing === "broken")
        .map(({ id }) => `the manifest of ${id} was changed since it was written`),
      ...ofNewest(proofs[0]),
      ...ofLastRun(state),
    ],
    ...{ newest: good[0], proven, copies: manifests.length },
    bytes: manifests.reduce((sum, { dump }) => sum + dump.size, 0),
  };
}

/** One that failed alarms; a newer one that is proven, or not tried yet, ends it. */
function ofNewest(proof: Proof | undefined): string[] {
  if (!proof || proof.state === "proven") return [];
  const told = proof.state === "failed" ? "failed to restore" : "could not be verified";
  return [`${proof.id} ${told}: ${proof.problems[0] ?? ""}`];
}

function ofLastRun({ last, proving }: State): string[] {
  const isFine = !last || last.outcome === "done" || last.outcome === "stopped";
  return [
    ...(isFine ? [] : [`the backup due ${last.due} is ${last.outcome}: ${last.error ?? ""}`]),
    ...(proving?.error
      ? [`the verification of ${proving.id} itself failed: ${proving.error}`]
      : []),
  ];
}

const HOUR_MS = 3600_000;

function staleness(backups: BackupSettings, since: string, now: Date): string | undefined {
  const allowed = computeMaxAgeHours(backups, now) * HOUR_MS;
  if (now.getTime() - Date.parse(since) <= allowed) return undefined;
  return `the newest proven moment is ${age(since, now)} ago, more than ${Math.round(allowed / HOUR_MS)} h`;
}

const VERIFY_HOURS = { each: 0, daily: 24, weekly: 7 * 24 };

/** Unless it is said: two runs of the schedule, or of the verification, and two hours for the work. */
export function computeMaxAgeHours(
  { maxProvenHours, schedule, verify }: BackupSettings,
  now: Date,
) {
  if (maxProvenHours) return maxProvenHours;
  const [first, second] = new Cron(schedule, { timezone: "UTC", paused: true }).nextRuns(2, now);
  const between = first && second ? (second.getTime() - first.getTime()) / HOUR_MS : 24;
  return 2 * Math.max(between, VERIFY_HOURS[verify]) + 2;
}
