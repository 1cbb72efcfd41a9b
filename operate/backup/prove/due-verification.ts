import type { BackupSettings } from "../../settings.ts";
import { isAhead } from "../format/clock.ts";
import { isGood } from "../format/manifest.ts";
import { type Proof, readLocalProof } from "../format/proof.ts";
import { readLocalManifests } from "../store/folder.ts";

const HOUR_MS = 3600_000;
/** An `unverified` backup is verified again: there may be more disk space by then. */
const RETRY_MS = 6 * HOUR_MS;
/** One hour less than a day or a week, so that the time of day does not move. */
const INTERVAL_MS: Record<BackupSettings["verify"], number> = {
  each: 0,
  daily: 23 * HOUR_MS,
  weekly: (7 * 24 - 1) * HOUR_MS,
};

/** A good backup and the result of its last verification. */
export interface Verification {
  id: string;
  proof: Pick<Proof, "state" | "verifiedAt"> | undefined;
}

/** Returns the newest good backup if its verification is due. */
export function findDueVerification(
  verify: BackupSettings["verify"],
  newestFirst: Verification[],
  now: Date,
): string | undefined {
  const [newest] = newestFirst;
  if (!newest) return undefined;
  const msSince = (proof: Verification["proof"]) =>
    proof ? Math.abs(now.getTime() - Date.parse(proof.verifiedAt)) : Number.POSITIVE_INFINITY;
  if (newest.proof) {
    const isRetry = newest.proof.state === "unverified" && msSince(newest.proof) >= RETRY_MS;
    return isRetry ? newest.id : undefined;
  }
  const verified = newestFirst.filter(({ proof }) => proof && proof.state !== "unverified");
  const msSinceLast = Math.min(...verified.map(({ proof }) => msSince(proof)));
  return msSinceLast >= INTERVAL_MS[verify] ? newest.id : undefined;
}

/** Without backups dated in the future: otherwise no later backup would be verified until then. */
export const readVerifications = (backups: BackupSettings, now: Date): Verification[] =>
  readLocalManifests(backups)
    .filter((manifest) => isGood(manifest) && !isAhead(manifest.startedAt, now))
    .map((manifest) => ({ id: manifest.id, proof: readLocalProof(backups, manifest) }));
