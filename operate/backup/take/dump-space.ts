import { statfsSync } from "node:fs";
import { refused } from "../../error.ts";
import { formatBytes } from "../../human-units.ts";

export interface DumpSpace {
  /** Expected size of the dump, in bytes. */
  expected: number;
  /** Bytes that must stay free for other programs on the disk. */
  reserve: number;
}

/** Checked before the dump: a full disk would stop other programs too. */
export function assertDumpSpace(folder: string, { expected, reserve }: DumpSpace): void {
  const free = measureFree(folder);
  if (free >= expected + reserve) return;
  throw refused(
    `not enough space in ${folder}: ${formatBytes(free)} are free, but the dump may need ${formatBytes(expected)} and the reserve is ${formatBytes(reserve)}; free some space, or lower "backups.reserveMegabytes" or "backups.keepDays"`,
  );
}

export function measureFree(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** The last dump and 20 %. Without one, half the database, because a dump has no index data. */
export const estimateDumpBytes = (lastDump: number | undefined, database: number) =>
  Math.ceil(lastDump === undefined ? database / 2 : lastDump * 1.2);
