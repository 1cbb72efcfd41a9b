import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

export interface ScratchMemory {
  /** Restore jobs at once. */
  jobs: number;
  sharedBuffersMb: number;
  maintenanceWorkMemMb: number;
  /** Workers of one index build; they need shared memory (S4). */
  parallelWorkers: number;
}

/** What this process, the verb beside it and the backends themselves take. */
const OWN_MB = 200;
const SHARED_BUFFERS_MB = 64;
const SMALLEST_MB = 16;

/**
 * As much as the server that was dumped gives to one index build, as far as this container's limit
 * lets two of them have it. A build whose shared memory does not fit /dev/shm is made without workers.
 */
export function planScratchMemory(
  wantedMb: number,
  { limitMb, shmMb, cpus }: { limitMb: number; shmMb: number; cpus: number } = here(),
): ScratchMemory {
  const room = Math.max(0, limitMb - OWN_MB - SHARED_BUFFERS_MB);
  const jobs = cpus > 1 && room >= 2 * SMALLEST_MB ? 2 : 1;
  const fits = Math.max(SMALLEST_MB, Math.min(wantedMb, Math.floor(room / (jobs * 1.25))));
  const parallel = fits * jobs * 1.25 <= shmMb;
  return {
    jobs,
    sharedBuffersMb: SHARED_BUFFERS_MB,
    maintenanceWorkMemMb: fits,
    parallelWorkers: parallel ? Math.min(2, cpus) : 0,
  };
}

function here() {
  const { blocks, bsize } = statfsSync("/dev/shm");
  return {
    limitMb: (readCgroupLimit() ?? totalmem()) / 2 ** 20,
    shmMb: (blocks * bsize) / 2 ** 20,
    cpus: availableParallelism(),
  };
}

/** Version 2, then 1; "max" and a number beyond all memory mean that there is none. */
function readCgroupLimit(): number | undefined {
  for (const file of ["memory.max", "memory/memory.limit_in_bytes"]) {
    try {
      const limit = Number(readFileSync(`/sys/fs/cgroup/${file}`, "utf8"));
      if (limit > 0 && limit < totalmem()) return limit;
    } catch {
      // The other version.
    }
  }
  return undefined;
}

const UNIT_MB: Record<string, number> = { kB: 1 / 1024, MB: 1, GB: 1024 };

/** As `current_setting` says it: `256MB`. */
export function parseMegabytes(setting: string | undefined): number | undefined {
  const [, number, unit] = /^(\d+)(kB|MB|GB)$/.exec(setting ?? "") ?? [];
  return number && unit ? Math.ceil(Number(number) * UNIT_MB[unit]!) : undefined;
}
