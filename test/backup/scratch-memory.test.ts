import { describe, expect, test } from "vitest";
import { parseMegabytes, planScratchMemory } from "../../operate/scratch/memory.ts";

describe("S4: the scratch server's memory", () => {
  test("is the server's own where two index builds fit, in memory and in /dev/shm", () => {
    expect(planScratchMemory(256, { limitMb: 1152, shmMb: 640, cpus: 4 })).toEqual({
      ...{ jobs: 2, sharedBuffersMb: 64, maintenanceWorkMemMb: 256, parallelWorkers: 2 },
    });
  });

  test("is less in a smaller container, and never more than two builds can have at once", () => {
    for (const limitMb of [300, 512, 1024, 4096]) {
      const { jobs, maintenanceWorkMemMb } = planScratchMemory(2048, {
        limitMb,
        shmMb: 64,
        cpus: 2,
      });
      expect(jobs * maintenanceWorkMemMb).toBeLessThan(limitMb - 64);
    }
  });

  test("without room in /dev/shm an index is built without workers, not failed", () => {
    const { parallelWorkers } = planScratchMemory(256, { limitMb: 4096, shmMb: 64, cpus: 4 });
    expect(parallelWorkers).toBe(0);
  });

  test("settings as the server says them", () => {
    expect(["256MB", "1GB", "65536kB", undefined].map(parseMegabytes)).toEqual([
      256,
      1024,
      64,
      undefined,
    ]);
  });
});
