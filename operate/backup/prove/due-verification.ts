import type { BackupSettings } from "../../settings.ts";
import { isAhead } from "../format/clock.ts";
import { isGood } from "../format/manifest.ts";
import { type Proof, readLocalProof } from "../format/proof.ts";
import { readLocalManifests } from "../store/folder.ts";

const HOUR_MS = 3600_000;
/** What could not be tried is tried again: room may have been made. */
const AGAIN_MS = 6 * HOUR_MS;
/** An hour less than a day and a week, so that the hour of the day does not wander. */
const EVERY_MS: Record<BackupSettings["verify"], number> = {
  each: 0,
  daily: 23 * HOUR_MS,
  weekly: (7 * 24 - 1) * HOUR_MS,
};

export interface Tried {
  id: string;
  proof: Pick<Proof, "state" | "verifiedAt"> | undefined;
}

/** The newest good backup, if it waits to be proven. */
export function findDueVerification(
  verify: BackupSettings["verify"],
  newestFirst: Tried[],
  now: Date,
): string | undefined {
  const [newest] = newestFirst;
  if (!newest) return undefined;
  const since = (proof: Tried["proof"]) =>
    proof ? Math.abs(now.getTime() - Date.parse(proof.verifiedAt)) : Number.POSITIVE_INFINITY;
  if (newest.proof) {
    const again = newest.proof.state === "unverified" && since(newest.proof) >= AGAIN_MS;
    return again ? newest.id : undefined;
  }
  const settled = newestFirst.filter(({ proof }) => proof && proof.state !== "unverified");
  const latest = Math.min(...settled.map(({ proof }) => since(proof)));
  return latest >= EVERY_MS[verify] ? newest.id : undefined;
}

/** Without those of a clock that was ahead, behind which no later one would ever be tried. */
export const readVerifications = (backups: BackupSettings, now: Date): Tried[] =>
  readLocalManifests(backups)
    .filter((manifest) => isGood(manifest) && !isAhead(manifest.startedAt, now))
    .map((manifest) => ({ id: manifest.id, proof: readLocalProof(backups, manifest) }));
