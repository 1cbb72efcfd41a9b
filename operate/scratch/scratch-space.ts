import { statfsSync } from "node:fs";
import { CannotVerify } from "../backup/format/cannot-verify.ts";
import { bytes } from "../human-units.ts";

/** An empty cluster, its log and what sorting index builds put beside it. */
const CLUSTER_BYTES = 300e6;
const LOOK_MS = 1_000;

function free(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Too big for this host is no verdict on the backup. */
export function assertScratchSpace(folder: string, databaseBytes: number, reserve: number): void {
  const needed = databaseBytes * 1.1 + CLUSTER_BYTES + reserve;
  if (free(folder) >= needed) return;
  throw new CannotVerify(
    `not enough room in ${folder}: ${bytes(free(folder))} free, and a restored copy needs ${bytes(needed)} with the reserve of ${bytes(reserve)}`,
  );
}

/** Others write to the disk too: `use` is told to stop when the reserve is touched. */
export async function withReserveWatch<T>(
  folder: string,
  reserve: number,
  signal: AbortSignal | undefined,
  use: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const full = new AbortController();
  const watch = setInterval(() => {
    if (free(folder) < reserve) {
      const told = `the room in ${folder} went below the reserve of ${bytes(reserve)} half-way`;
      full.abort(new CannotVerify(told));
    }
  }, LOOK_MS).unref();
  try {
    return await use(signal ? AbortSignal.any([signal, full.signal]) : full.signal);
  } finally {
    clearInterval(watch);
  }
}
