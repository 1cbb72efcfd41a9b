import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CreateBucketCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { assertReadable } from "../../operate/backup/format/check-dump.ts";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { LOCK_CLASS } from "../../operate/connect/session-lock.ts";
import type { Settings } from "../../operate/settings.ts";
import { Random } from "../faults/harness.ts";
import { until } from "../support/until.ts";
import { startProxy } from "./s3-proxy.ts";
import { canRun, Stage, startS3 } from "./stage.ts";

/** Of a class of faults `make test` takes one, which the seed picks; `make faults` takes all. */
function seeded<T>(rows: T[]): T[] {
  if (process.env.PGSTEAD_FAULTS === "all") return rows;
  const random = new Random(Number(process.env.PGSTEAD_FAULT_SEED ?? 7));
  return [random.pick(rows)];
}

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
    await until(async () => (await waiters("pg_sleep")) > 0);
    const running = stage.pgstead("backup", "now", "--json");
    await until(async () => (await waiters("LOCK TABLE")) > 0);
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
    expect(code).toBe(143);
    expect(JSON.parse(stdout).error).toBe(
      "stopped by SIGTERM; the running statement was cancelled and unfinished files were removed",
    );
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
    expect(stderr).toMatch(
      /not enough space in \/small: 25 MB are free, but .* the reserve is 100 MB/,
    );
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
    expect(stderr).toContain('role "migrator" is not a superuser');
  });

  test("S11: waits for who holds the operation lock, and names him", async () => {
    const holder = stage
      .exec(
        stage.server,
        ["psql", "-U", "postgres", "-c", `select pg_advisory_lock(${LOCK_CLASS}, 1), pg_sleep(30)`],
        ["--env", "PGAPPNAME=pgstead migrate up"],
      )
      .catch(() => {});
    await until(async () => (await waiters("pg_advisory_lock")) > 0);
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

    test.each(
      seeded([
        [{ status: 403, code: "AccessDenied" }, "the access key may not do that"],
        [{ status: 403, code: "ExpiredToken" }, "the credentials have expired"],
        [{ status: 404, code: "NoSuchBucket" }, "it does not exist"],
        [{ status: 500, code: "InternalError" }, "InternalError (HTTP 500)"],
        [{ status: 403, code: "RequestTimeTooSkewed" }, "the clock of this machine is wrong"],
        [{ status: 403, code: "InvalidAccessKeyId" }, '"pgstead up" gives the agent a new one'],
      ]),
    )("on %j", async (answer, told) => {
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

    test("when what arrived is not what was sent, byte for byte", async () => {
      proxy.fail({ method: "PUT", times: 1000, kind: "corrupt" });
      const { code, result } = await backup();
      expect(code).toBe(2);
      expect(result.uploadError).toMatch(/differs|checksum|BadDigest/i);
      expect((await listed()).backups[0]).toMatchObject({ copies: ["local"] });
    });

    test("and is made up by the next one, all of it", async () => {
      const missing = (await listed()).backups.filter(({ copies }) => !copies.includes("bucket"));
      expect(missing.length).toBeGreaterThan(1);
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

    test("not when it is slow", async () => {
      proxy.fail({ method: "PUT", times: 1, kind: "slow" });
      expect((await backup()).code).toBe(0);
    });
  });

  test("when a table is dropped before pg_dump has its lock: seen, and the next one is whole", async () => {
    await stage.sql("create table victim (id int)");
    const dropping = stage.sql("begin; drop table victim; select pg_sleep(3); commit");
    await until(async () => (await waiters("pg_sleep")) > 0);
    const { code, stdout } = await stage.pgstead("backup", "now", "--json");
    await dropping;
    expect(code, stdout).toBe(3);
    expect(JSON.parse(stdout).error).toMatch(/pg_dump failed|cannot count the rows of the dump/);
    expect(readdirSync(stage.backups).filter((name) => name.startsWith("."))).toEqual([]);
    expect((await stage.pgstead("backup", "now")).code).toBe(0);
  });

  test("when the volume is read-only or somebody else's, with the reason", async () => {
    const main = stage.agentId;
    const foreign = join(stage.folder, "foreign");
    mkdirSync(foreign, { mode: 0o700 });
    stage.startAgent([
      "--volume",
      `${stage.backups}:/locked:ro`,
      "--volume",
      `${foreign}:/foreign`,
    ]);
    for (const [folder, exitCode, reason] of [
      ["/locked", 3, /cannot write to the backup folder \/locked: .*read-only/],
      ["/foreign", 1, /cannot write to the backup folder \/foreign: .*permission denied/],
    ] as const) {
      stage.write({ backups: { folder } });
      const { code, stderr } = await stage.pgstead("backup", "now");
      expect(code).toBe(exitCode);
      expect(stderr).toMatch(reason);
    }
    stage.useAgent(main);
  });

  test("S32: on an empty database no run, but marks what it took", async () => {
    await stage.sql("create database empty", "postgres");
    stage.write({
      database: {
        ...{ host: "/var/run/postgresql", port: 5432, name: "empty", user: "migrator" },
        superuser: "postgres",
      },
    });
    const { code, stdout } = await stage.pgstead("backup", "now");
    expect(code).toBe(0);
    expect(stdout).toContain("of 0 tables");
    expect((await stage.pgstead("backup", "list")).stdout).toMatch(/^empty-.* NO TABLES$/m);
    expect((await stage.pgstead("backup", "verify")).code).toBe(0);
  });

  test("with a pg_dump that is older than the server", async () => {
    const old = join(stage.folder, "program", "old");
    mkdirSync(old);
    const script = "#!/bin/sh\necho 'pg_dump (PostgreSQL) 17.8'\n";
    writeFileSync(join(old, "pg_dump"), script, { mode: 0o755 });
    const { code, stderr } = await stage.inAgent(
      ...["env", "PATH=/usr/local/lib/pgstead/old:/usr/bin:/bin"],
      ...["node", "/usr/local/lib/pgstead/pgstead.cjs", "backup", "now"],
    );
    expect(code).toBe(4);
    expect(stderr).toMatch(
      /pg_dump 17\.8 cannot dump a server of PostgreSQL 18\S* .*; run the backup in the stack.s agent container/,
    );
  });

  test("to take a gzip of nothing for a dump", async () => {
    const file = join(stage.folder, "empty.sql.gz");
    writeFileSync(file, gzipSync(""));
    expect(statSync(file).size).toBe(20);
    await expect(assertReadable({} as Settings, file, "plain")).rejects.toThrow(
      "is truncated: its last line is missing",
    );
  });

  test("with two agents on one volume: neither harms what the other takes", async () => {
    stage.write({ backups: { schedule: "*/3 * * * * *", metricsPort: 0, folder: "/backups" } });
    const main = stage.agentId;
    const serve = ["node", "/usr/local/lib/pgstead/pgstead.cjs", "serve"];
    const two = [stage.startAgent([], serve), stage.startAgent([], serve)];
    const proven = (agent: string) => stage.logs(agent).match(/: proven, in/g)?.length ?? 0;
    await until(async () => two.every((agent) => proven(agent) > 0));
    for (const agent of two) stage.stopOne(agent);
    stage.useAgent(main);
    for (const agent of two) expect(stage.logs(agent)).not.toMatch(/failed|FAILED|error|bug/);
    const { backups, strays } = await listed();
    expect(strays).toEqual([]);
    const amiss = backups.filter(({ problem, proof }) => problem || proof?.state === "failed");
    expect(amiss).toEqual([]);
  });

  test("to hand out a copy that was tampered with, and tells of a file that is gone", async () => {
    const [newest, older] = (await listed()).backups;
    writeFileSync(join(stage.backups, `${newest!.id}.dump`), "tampered");
    await stage.inAgent("rm", `/backups/${older!.id}.dump`);
    const [first, second] = (await listed()).backups;
    expect(first!.problem).toBe(`${newest!.id}.dump has 8 bytes instead of ${newest!.size}`);
    expect(second!.problem).toBe(`${older!.id}.dump is missing`);
    const { code, stderr } = await stage.pgstead("backup", "get", newest!.id, "--out", "/tmp/x");
    expect(code).toBe(2);
    expect(stderr).toContain("is damaged: its hash differs from the manifest; take another backup");
    expect((await stage.inAgent("ls", "/tmp")).stdout).not.toContain("x");
  });
});
