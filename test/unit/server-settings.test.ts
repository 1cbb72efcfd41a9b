import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { renderSettings, serverCommand, sizeServer } from "../../components/server/tuning.ts";

const shown = (sized: ReturnType<typeof sizeServer>, name: string) =>
  sized.settings.find((setting) => setting.name === name)?.value;

describe("the server's settings", () => {
  test.each([
    [{ memoryMb: 1024, cpus: 1 }, "256MB", "128MB", "2", 320],
    [{}, "512MB", "256MB", "2", 640],
    [{ memoryMb: 8192, cpus: 4 }, "2048MB", "1024MB", "3", 5120],
    [{ memoryMb: 65_536, cpus: 16 }, "16384MB", "2048MB", "8", 10_240],
    [{ memoryMb: 4096, cpus: 2, maintenanceWorkMemMb: 64 }, "1024MB", undefined, "2", 160],
  ])("for %j", (size, shared, maintenance, workers, shmMb) => {
    const sized = sizeServer("db", { major: "18", ...size });
    expect(shown(sized, "shared_buffers")).toBe(shared);
    expect(shown(sized, "maintenance_work_mem")).toBe(maintenance);
    expect(shown(sized, "max_parallel_maintenance_workers") ?? "2").toBe(workers);
    expect(sized.shmMb).toBe(shmMb);
  });

  test("S4 shared memory holds every index build of a restore at once, whatever the size", () => {
    const sizes = fc.record({
      memoryMb: fc.integer({ min: 256, max: 1_000_000 }),
      cpus: fc.integer({ min: 1, max: 256 }),
      restoreJobs: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(sizes, fc.option(fc.integer({ min: 1, max: 24 })), (size, overridden) => {
        const overrides: Record<string, string> = overridden
          ? { maintenance_work_mem: `${overridden}MB` }
          : {};
        const sized = sizeServer("db", { major: "18", ...size }, overrides);
        const jobs = size.restoreJobs ?? Math.min(4, Math.max(2, size.cpus));
        const maintenance = Number.parseInt(shown(sized, "maintenance_work_mem") ?? "64", 10);
        expect(sized.shmMb).toBeGreaterThanOrEqual(jobs * maintenance * 1.25);
        const shared = Number.parseInt(shown(sized, "shared_buffers") ?? "128", 10);
        expect(sized.shmMb + shared).toBeLessThan(size.memoryMb + 64);
        for (const { reason } of sized.settings) expect(reason).not.toBe("");
      }),
    );
  });

  test("an override comes first and shared memory follows it, in whatever unit", () => {
    for (const given of ["1GB", "1024MB", "1048576kB", 1048576]) {
      const sized = sizeServer("db", { major: "18" }, { maintenance_work_mem: given, jit: false });
      expect(sized.shmMb).toBe(2560);
      expect(shown(sized, "maintenance_work_mem")).toBe(String(given));
      expect(serverCommand(sized, {}).filter((each) => /^(jit|maintenance)/.test(each))).toEqual([
        `maintenance_work_mem=${given}`,
        "jit=false",
      ]);
    }
  });

  test("work_mem makes room for as many connections as are allowed", () => {
    const of = (overrides: Record<string, number>) =>
      shown(sizeServer("db", { major: "18", memoryMb: 8192 }, overrides), "work_mem");
    expect([of({}), of({ max_connections: 400 })]).toEqual(["25MB", "6MB"]);
  });

  test("fails for a major that is not supported", () => {
    for (const major of ["16", "19"]) {
      expect(() => sizeServer("db", { major })).toThrow(
        `the version of "db" is ${major}, which is not supported; allowed: 17, 18`,
      );
    }
  });

  test("17 is given what 18 reads ahead by itself", () => {
    expect(shown(sizeServer("db", { major: "17" }), "effective_io_concurrency")).toBe("16");
    expect(shown(sizeServer("db", { major: "18" }), "effective_io_concurrency")).toBeUndefined();
  });

  test("a server that has no io_method is not given one", () => {
    expect(shown(sizeServer("db", { major: "17" }), "io_method")).toBeUndefined();
    expect(shown(sizeServer("db", { major: "18" }), "io_method")).toBe("worker");
  });

  test("every line of the file that people read has its reason above it", () => {
    const text = renderSettings(sizeServer("db", { major: "18" }, { jit: false }));
    expect(text).toContain("# a quarter of the memory\nshared_buffers = '512MB'\n");
    expect(text).toContain("# given by postgres.settings\njit = 'false'\n");
  });

  test("S29: fails for less memory than index builds at once share, with the numbers", () => {
    const size = { major: "18", memoryMb: 512, maintenanceWorkMemMb: 256 };
    expect(() => sizeServer("db", size)).toThrow(
      '"memoryMb" of "db" is 512, too little for "maintenanceWorkMemMb" at 256: 2 index builds at once share 640 MB beside 128 MB of shared_buffers; allowed is 832 or more',
    );
  });

  test("fails for what image and volumes already say: the data stays where it is", () => {
    for (const name of ["data_directory", "hba_file", "port", "unix_socket_directories"]) {
      expect(() => sizeServer("db", { major: "18" }, { [name]: "x" })).toThrow(
        `"settings.${name}" of "db" cannot be given`,
      );
    }
  });
});
