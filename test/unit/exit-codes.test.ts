import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { beforeEach, expect, test } from "vitest";
import { describeFailure } from "../../cli/request.ts";
import { saveFile } from "../../cli/save-file.ts";
import { Manifest } from "../../operate/backup/format/manifest.ts";
import { getBackup } from "../../operate/backup/store/get-backup.ts";
import { Settings } from "../../operate/settings.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pgstead-exit-"));
  return () => rmSync(folder, { recursive: true });
});

async function failureOf(act: () => unknown) {
  try {
    await act();
  } catch (error) {
    return describeFailure(error);
  }
  throw new Error("it did not fail");
}

/** Every write to this device fails with ENOSPC. */
const FULL = "/dev/full";

test.skipIf(process.platform !== "linux")("a full disk is exit code 3, and no bug", async () => {
  const { message, exitCode, stack } = await failureOf(() => writeFileSync(FULL, "x"));
  expect([message, exitCode, stack]).toEqual([
    expect.stringMatching(/^no space left on device/),
    3,
    undefined,
  ]);
});

test("a read-only disk is 3, and a path that is not there or not ours is 1", async () => {
  const refuses = (code: string) =>
    failureOf(() => {
      throw Object.assign(new Error(`${code}: x`), { code, syscall: "open", path: "/x" });
    });
  for (const code of ["EROFS", "EDQUOT", "EIO"]) expect((await refuses(code)).exitCode).toBe(3);
  expect((await refuses("EACCES")).exitCode).toBe(1);
  expect((await failureOf(() => readFileSync(join(folder, "none")))).exitCode).toBe(1);
});

test("a file of --out: 3 where the disk refuses, 1 where the folder is missing", async () => {
  const missing = join(folder, "none", "out");
  expect(await failureOf(() => saveFile(missing, async () => {}))).toMatchObject({
    exitCode: 1,
    message: expect.stringContaining(`cannot write ${missing}`),
  });
  const full = Object.assign(new Error("ENOSPC: full"), { code: "ENOSPC" });
  const write = (target: Writable) => {
    target.destroy(full);
    return new Promise<void>(() => {});
  };
  expect(await failureOf(() => saveFile(join(folder, "out"), write))).toMatchObject({
    exitCode: 3,
    message: expect.stringContaining("cannot write"),
  });
});

test("a damaged copy is 2 and not out of reach, and a full disk during the copy is 3", async () => {
  const settings = Settings.parse({
    ...{ stack: "dev", engine: "docker", migrations: { folder } },
    database: { host: "/nonexistent", port: 5432, name: "app", user: "migrator" },
    backups: { folder },
  });
  const at = "2026-05-07T02:00:00Z";
  const manifest = Manifest.parse({
    ...{ version: 1, id: "app-1", stack: "dev", database: "app", format: "custom" },
    dump: { file: "app-1.dump", size: 5, sha256: "0".repeat(64) },
    ...{ complete: true, warnings: [], serverVersion: "18", dumpVersion: "18" },
    ...{ pgsteadVersion: "0", pgvectorVersion: null, schemaVersion: null, databaseBytes: 5 },
    ...{ rows: {}, walPosition: null, auditHead: null, startedAt: at, finishedAt: at },
    ...{ durationMs: 1, trigger: "now" },
  });
  writeFileSync(join(folder, "app-1.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, "app-1.dump"), "other");
  const into = (write: (done: (error?: Error) => void) => void) =>
    new Writable({ write: (_chunk, _encoding, done) => write(done) });
  const get = (target: Writable) => failureOf(() => getBackup(settings, "app-1", target));
  expect(await get(into((done) => done()))).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("is damaged"),
  });
  const full = Object.assign(new Error("ENOSPC: full"), { code: "ENOSPC" });
  expect(await get(into((done) => done(full)))).toMatchObject({
    exitCode: 3,
    message: expect.stringContaining("cannot copy app-1.dump"),
  });
});
