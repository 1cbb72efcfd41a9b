import { statfsSync } from "node:fs";
import { refused } from "../../error.ts";
import { bytes } from "../../human-units.ts";

export interface Room {
  /** What the dump may take. */
  expected: number;
  /** What must stay free for the others on the disk. */
  reserve: number;
}

/** A disk that fills up half-way stops more than the dump. */
export function assertDumpSpace(folder: string, { expected, reserve }: Room): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= expected + reserve) return;
  throw refused(
    `not enough room in ${folder}: ${bytes(free)} free, but the dump may take ${bytes(expected)} and ${bytes(reserve)} stay in reserve; free some, or lower "backups.reserveMegabytes" or "backups.keepDays"`,
  );
}

/** A little above the last one; without one, half the database, for indexes are not dumped. */
export const estimateDumpBytes = (lastDump: number | undefined, database: number) =>
  Math.ceil(lastDump === undefined ? database / 2 : lastDump * 1.2);
