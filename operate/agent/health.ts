import { Cron } from "croner";
import { isGood, type Manifest } from "../backup/format/manifest.ts";
import { isProven, type Proof, readLocalProof } from "../backup/format/proof.ts";
import { readLocalManifests } from "../backup/store/folder.ts";
import { formatAge } from "../human-units.ts";
import type { BackupSettings } from "../settings.ts";
import type { Run, State } from "./state.ts";

export interface Health {
  /** False if the newest proven backup is older than the limit, or the schedule does not work. */
  fresh: boolean;
  /** What a person should look at; not all of it is urgent. */
  problems: string[];
  newest: Manifest | undefined;
  proven: Proof | undefined;
  copies: number;
  bytes: number;
}

/**
 * Reads the backup folder and the scheduler's state; it asks neither the server nor the bucket. `trouble`
 * is known to the scheduler's own process only.
 */
export function readHealth(
  backups: BackupSettings,
  state: State,
  now = new Date(),
  trouble?: string,
): Health {
  const manifests = readLocalManifests(backups);
  const good = manifests.filter(isGood);
  const proofs = good.map((manifest) => readLocalProof(backups, manifest));
  const proven = proofs.find((proof) => isProven(proof, now));
  const stale = describeStaleness(backups, proven, state, now);
  return {
    fresh: !stale && !trouble,
    problems: [
      ...(trouble ? [`the schedule does not work: ${trouble}`] : []),
      ...(stale ? [stale] : []),
      ...manifests
        .filter(({ standing }) => standing === "broken")
        .map(({ id }) => `the manifest of ${id} was changed since it was written`),
      ...describeProof(proofs[0]),
      ...describeState(state),
    ],
    ...{ newest: good[0], proven, copies: manifests.length },
    bytes: manifests.reduce((sum, { dump }) => sum + dump.size, 0),
  };
}

/** Of the newest good backup only: a newer backup, proven or not verified yet, ends the alarm. */
function describeProof(proof: Proof | undefined): string[] {
  if (!proof || proof.state === "proven") return [];
  const result = proof.state === "failed" ? "failed to restore" : "could not be verified";
  return [`${proof.id} ${result}: ${proof.problems[0] ?? ""}`];
}

const FAILURES: Record<Run["outcome"], string | undefined> = {
  done: undefined,
  stopped: undefined,
  incomplete: "is incomplete",
  "not uploaded": "is not uploaded",
  failed: "failed",
};

function describeState({ last, proving }: State): string[] {
  const failure = last && FAILURES[last.outcome];
  return [
    ...(failure ? [`the backup due ${last.due} ${failure}: ${last.error ?? ""}`] : []),
    ...(proving?.error
      ? [`the verification of ${proving.id} itself failed: ${proving.error}`]
      : []),
  ];
}

const HOUR_MS = 3600_000;

/** Undefined if the newest proven backup, or the first start of the schedule, is recent enough. */
function describeStaleness(
  backups: BackupSettings,
  proven: Proof | undefined,
  state: State,
  now: Date,
): string | undefined {
  const maxHours = computeMaxAgeHours(backups, now);
  const since = proven?.restorableTo ?? state.since ?? now.toISOString();
  if (now.getTime() - Date.parse(since) <= maxHours * HOUR_MS) return undefined;
  const limit = `the limit is ${Math.round(maxHours)} h`;
  return proven
    ? `the newest proven backup is ${formatAge(since, now)} old; ${limit}`
    : `no backup is proven yet, and the schedule started ${formatAge(since, now)} ago; ${limit}`;
}

const VERIFY_HOURS = { each: 0, daily: 24, weekly: 7 * 24 };

/** By default two intervals of the schedule or of the verification, and two hours for the work. */
export function computeMaxAgeHours(
  { maxProvenHours, schedule, verify }: BackupSettings,
  now: Date,
): number {
  if (maxProvenHours) return maxProvenHours;
  const [first, second] = new Cron(schedule, { timezone: "UTC", paused: true }).nextRuns(2, now);
  const between = first && second ? (second.getTime() - first.getTime()) / HOUR_MS : 24;
  return 2 * Math.max(between, VERIFY_HOURS[verify]) + 2;
}
