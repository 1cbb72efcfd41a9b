import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ListResult } from "../../operate/backup/list.ts";
import type { BackupResult } from "../../operate/backup/now.ts";
import { OPERATION_LOCK } from "../../operate/operation-lock.ts";
import { startProxy } from "./s3-proxy.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

describe.runIf(canRun)("fails", () => {
  let stage: Stage;
  let proxy: Awaited<ReturnType<typeof startProxy>>;
  let s3: ReturnType<typeof startS3>;
  const bucket = `faults-${process.pid}`;
  const withBucket = () => ({
    name: bucket,
    endpoint: proxy.endpoint,
    pathStyle: true,
    credentialsFile: stage.writeKey(),
  });

  beforeAll(async () => {
    s3 = startS3();
    proxy = await startProxy(s3.endpoint);
    await s3.client.send(new CreateBucketCommand({ Bucket: bucket }));
    stage = await Stage.start({}, ["--tmpfs", "/small:size=24m,uid=999,mode=700"]);
    stage.write({ backups: { bucket: withBucket() } });
    await stage.sql(`
      create extension pgcrypto;
      create table noise as select gen_random_bytes(1000) as bytes from generate_series(1, 30000);`);
  });
  afterAll(() => {
    stage?.stop();
    proxy?.stop();
  });
  afterEach(() => {
    proxy.fail();
    stage.write({ backups: { bucket: withBucket() } });
  });

  const listed = async () =>
    JSON.parse((await stage.pgstead("backup", "list", "--json")).stdout) as ListResult;
  const inBucket = async () => {
    const { Contents = [] } = await s3.client.send(new ListObjectsV2Command({ Bucket: bucket }));
    return Contents.map(({ Key }) => Key ?? "").filter((key) => key.startsWith("dumps/"));
  };

  /** Runs `during` while a backup waits for a table that is locked, with its dump half-way. */
  async function whileDumping(during: () => Promise<unknown>) {
    const holder = stage.sql("begin; lock table noise; select pg_sleep(60)").catch(() => {});
    await waitFor(async () => (await waiters("pg_sleep")) > 0);
    const running = stage.pgstead("backup", "now", "--json");
    await waitFor(async () => (await waiters("LOCK TABLE")) > 0);
    await during();
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_slee[p]'",
    );
    await holder;
    return running;
  }
  const waiters = async (query: string) =>
    Number(
      await stage.sql(
        `select count(*) from pg_stat_activity where state = 'active' and query ~ '${query}' and pid <> pg_backend_pid()`,
      ),
    );
  const kill = (signal: string, pattern: string) =>
    stage.inAgent(
      "sh",
      "-c",
      `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '${pattern}' && kill -${signal} \${p#/proc/}; done; true`,
    );

  test("when pg_dump is killed: nothing counts, nothing stays", async () => {
    const { code, stdout } = await whileDumping(() => kill("KILL", "[/]pg_dump "));
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error).toContain("pg_dump was ended by SIGKILL");
    expect(readdirSync(stage.backups)).toEqual([]);
    expect(await inBucket()).toEqual([]);
  });

  test("when told to stop: pg_dump ends, its file goes, the lock is free", async () => {
    const { code, stdout } = await whileDumping(() => kill("TERM", "^node .*backup now"));
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error).toBe("stopped; nothing half-done was left");
    expect(readdirSync(stage.backups)).toEqual([]);
    expect(await waiters("LOCK TABLE")).toBe(0);
  });

  test("when killed without warning: what it leaves is no backup, and the next run clears it", async () => {
    await whileDumping(() => kill("KILL", "^node .*backup now"));
    await kill("KILL", "[/]pg_dump ");
    expect(readdirSync(stage.backups)).toEqual([expect.stringMatching(/^\.partial-/)]);
    expect((await listed()).backups).toEqual([]);
    expect((await stage.pgstead("backup", "list")).code).toBe(2);
    stage.write();
    expect((await stage.pgstead("backup", "now")).code).toBe(0);
    expect(readdirSync(stage.backups).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("before the dump when the volume has no room for it", async () => {
    stage.write({ backups: { folder: "/small", reserveMegabytes: 100 } });
    const { code, stderr } = await stage.pgstead("backup", "now");
    expect(code).toBe(4);
    expect(stderr).toMatch(/not enough room in \/small: 25 MB free, but .* 100 MB stay in reserve/);
  });

  test("when the disk fills up half-way: seen, and cleared away", async () => {
    // Half of the database is expected to be enough, but noise does not compress.
    stage.write({ backups: { folder: "/small" } });
    const { code, stdout } = await stage.pgstead("backup", "now", "--json");
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error).toMatch(/No space left on device/);
    expect((await stage.inAgent("ls", "-A", "/small")).stdout).toBe("");
  });

  test("S5: as a role that row-level security would hide rows from", async () => {
    await stage.sql("create role migrator login");
    stage.write({
      database: { host: "/var/run/postgresql", port: 5432, name: "app", user: "migrator" },
    });
    const { code, stderr } = await stage.pgstead("backup", "now");
    expect(code).toBe(4);
    expect(stderr).toContain('role "migrator" is no superuser');
  });

  test("S11: waits for who holds the operation lock, and names him", async () => {
    const holder = stage
      .exec(
        stage.server,
        [
          "psql",
          "-U",
          "postgres",
          "-c",
          `select pg_advisory_lock(${OPERATION_LOCK}), pg_sleep(30)`,
        ],
        ["--env", "PGAPPNAME=pgstead migrate up"],
      )
      .catch(() => {});
    await waitFor(async () => (await waiters("pg_advisory_lock")) > 0);
    const { code, stderr } = await stage.pgstead("backup", "now", "--wait", "1");
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'advisor[y]'",
    );
    await holder;
    expect(code).toBe(3);
    expect(stderr).toMatch(/backup waited 1 s for pid \d+ \(pgstead migrate up/);
  });

  describe("the upload, not the backup,", () => {
    const backup = async () => {
      const { code, stdout } = await stage.pgstead("backup", "now", "--json");
      return { code, result: JSON.parse(stdout) as BackupResult };
    };

    test.each([
      [{ status: 403, code: "AccessDenied" }, "the key may not do that"],
      [{ status: 403, code: "ExpiredToken" }, "the credentials have expired"],
      [{ status: 404, code: "NoSuchBucket" }, "it does not exist"],
      [{ status: 500, code: "InternalError" }, "InternalError (HTTP 500)"],
    ])("on %j", async (answer, told) => {
      const before = await inBucket();
      proxy.fail({ method: "PUT", times: 1000, kind: "status", ...answer });
      const { code, result } = await backup();
      expect(code).toBe(2);
      expect(result.uploadError).toContain(told);
      expect(result.manifest.complete).toBe(true);
      expect((await listed()).backups[0]).toMatchObject({ copies: ["local"], good: true });
      expect(await inBucket()).toEqual(before);
    });

    test("when what arrived is cut short", async () => {
      proxy.fail({ method: "PUT", times: 1000, kind: "truncate" });
      const { code, result } = await backup();
      expect(code).toBe(2);
      expect(result.uploadError).toMatch(
        /the bucket holds \d+ bytes of \d+|differs|digest|BadDigest/,
      );
    });

    test("and is made up by the next one, all of it", async () => {
      const missing = (await listed()).backups.filter(({ copies }) => !copies.includes("bucket"));
      expect(missing.length).toBeGreaterThan(2);
      // A hiccup and two broken connections are nothing that anybody needs to hear of.
      proxy.fail(
        { method: "PUT", times: 1, kind: "status", status: 500 },
        { method: "PUT", times: 2, kind: "cut" },
      );
      const { code, stdout } = await stage.pgstead("backup", "upload");
      expect(stdout).not.toContain("NOT UPLOADED");
      expect(code).toBe(0);
      const after = (await listed()).backups;
      expect(after.every(({ copies }) => copies.includes("bucket"))).toBe(true);
    });
  });

  test("to hand out a copy that was tampered with, and tells of a file that is gone", async () => {
    const [newest, older] = (await listed()).backups;
    writeFileSync(join(stage.backups, `${newest!.id}.dump`), "tampered");
    await stage.inAgent("rm", `/backups/${older!.id}.dump`);
    const [first, second] = (await listed()).backups;
    expect(first!.problem).toBe(`${newest!.id}.dump has 8 bytes instead of ${newest!.size}`);
    expect(second!.problem).toBe(`${older!.id}.dump is missing`);
    const { code, stderr } = await stage.pgstead("backup", "get", newest!.id, "--out", "/tmp/x");
    expect(code).toBe(3);
    expect(stderr).toContain("it is damaged, take another");
    expect((await stage.inAgent("ls", "/tmp")).stdout).not.toContain("x");
  });
});

async function waitFor(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 100) throw new Error("waited in vain");
    await sleep(100);
  }
}
