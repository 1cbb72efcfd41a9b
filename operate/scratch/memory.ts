import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";

export interface ScratchMemory {
  /** Number of parallel restore jobs. */
  jobs: number;
  sharedBuffersMb: number;
  maintenanceWorkMemMb: number;
  /** Parallel workers of one index build. They need shared memory (S4). */
  parallelWorkers: number;
}

/** Memory of this process, of the scheduler and of the backends themselves. */
const OWN_MB = 200;
const SHARED_BUFFERS_MB = 64;
const MIN_MAINTENANCE_MB = 16;

/**
 * Gives each index build the dumped server's `maintenance_work_mem`, or less if two builds would exceed
 * the container's memory limit. Without enough shared memory in /dev/shm, builds have no workers.
 */
export function planScratchMemory(
  wantedMb: number,
  { limitMb, shmMb, cpus }: { limitMb: number; shmMb: number; cpus: number } = readHostLimits(),
): ScratchMemory {
  const freeMb = Math.max(0, limitMb - OWN_MB - SHARED_BUFFERS_MB);
  const jobs = cpus > 1 && freeMb >= 2 * MIN_MAINTENANCE_MB ? 2 : 1;
  const maxPerJobMb = Math.floor(freeMb / (jobs * 1.25));
  const maintenanceWorkMemMb = Math.max(MIN_MAINTENANCE_MB, Math.min(wantedMb, maxPerJobMb));
  const fitsSharedMemory = maintenanceWorkMemMb * jobs * 1.25 <= shmMb;
  return {
    jobs,
    sharedBuffersMb: SHARED_BUFFERS_MB,
    maintenanceWorkMemMb,
    parallelWorkers: fitsSharedMemory ? Math.min(2, cpus) : 0,
  };
}

function readHostLimits() {
  const { blocks, bsize } = statfsSync("/dev/shm");
  return {
    limitMb: (readCgroupLimit() ?? totalmem()) / 2 ** 20,
    shmMb: (blocks * bsize) / 2 ** 20,
    cpus: availableParallelism(),
  };
}

const CGROUP_V2_FILE = "memory.max";
const CGROUP_V1_FILE = "memory/memory.limit_in_bytes";

/** Undefined without a limit: the file then holds "max" or a number above the machine's memory. */
function readCgroupLimit(): number | undefined {
  for (const file of [CGROUP_V2_FILE, CGROUP_V1_FILE]) {
    try {
      const limit = Number(readFileSync(`/sys/fs/cgroup/${file}`, "utf8"));
      if (limit > 0 && limit < totalmem()) return limit;
    } catch {
      // The host has the other cgroup version.
    }
  }
  return undefined;
}

const UNIT_MB: Record<string, number> = { kB: 1 / 1024, MB: 1, GB: 1024 };

/** Reads a memory setting as `current_setting` prints it, such as `256MB`. */
export function parseMegabytes(setting: string | undefined): number | undefined {
  const [, number, unit] = /^(\d+)(kB|MB|GB)$/.exec(setting ?? "") ?? [];
  return number && unit ? Math.ceil(Number(number) * UNIT_MB[unit]!) : undefined;
}
