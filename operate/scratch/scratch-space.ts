import { statfsSync } from "node:fs";
import { CannotVerify } from "../backup/format/cannot-verify.ts";
import { formatBytes } from "../human-units.ts";

/** An empty cluster, its log and the temporary files of index builds. */
const CLUSTER_BYTES = 300e6;
const INTERVAL_MS = 1_000;

function readFreeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Throws `CannotVerify`: a backup that is too big for this host may still be good. */
export function assertScratchSpace(folder: string, databaseBytes: number, reserve: number): void {
  const needed = databaseBytes * 1.1 + CLUSTER_BYTES + reserve;
  const free = readFreeBytes(folder);
  if (free >= needed) return;
  throw new CannotVerify(
    `not enough space in ${folder}: ${formatBytes(free)} are free, and a restored copy needs ${formatBytes(needed)}, including the reserve of ${formatBytes(reserve)}`,
  );
}

/** Aborts `use` when free space falls below the reserve: other programs write to the disk too. */
export async function withReserveWatch<T>(
  folder: string,
  reserve: number,
  signal: AbortSignal | undefined,
  use: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const full = new AbortController();
  const watch = setInterval(() => {
    if (readFreeBytes(folder) >= reserve) return;
    const message = `free space in ${folder} fell below the reserve of ${formatBytes(reserve)} during the restore`;
    full.abort(new CannotVerify(message));
  }, INTERVAL_MS).unref();
  try {
    return await use(signal ? AbortSignal.any([signal, full.signal]) : full.signal);
  } finally {
    clearInterval(watch);
  }
}
