import { statSync } from "node:fs";
import type { Settings } from "../settings.ts";

/** A stack may have no migration step, or its server may not start. Then the first backup is tried. */
const LONGEST_WAIT_MS = 2 * 60_000;
/** From its files to its lock, the migration step needs about a second. */
const UNTIL_LOCKED_MS = 5_000;

/**
 * The agent starts before the migrations, and its first backup comes after them. A dump of a large
 * database would hold the operation lock for longer than `migrate up` waits.
 */
export function isFirstUpRunning(
  { engine, migrations: { folder } }: Settings,
  since: string | null,
  now: Date,
): boolean {
  if (engine === "embedded" || !since) return false;
  if (now.getTime() - Date.parse(since) >= LONGEST_WAIT_MS) return false;
  // The migration step puts the folder there, and then takes the lock, for which a backup waits.
  const unpackedAt = statSync(folder, { throwIfNoEntry: false })?.mtimeMs;
  return unpackedAt === undefined || now.getTime() - unpackedAt < UNTIL_LOCKED_MS;
}
