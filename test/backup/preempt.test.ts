import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import { LOCK_CLASS } from "../../operate/connect/session-lock.ts";
import { until } from "../support/until.ts";
import { canRun, Stage } from "./stage.ts";

describe.runIf(canRun)("S11: a migration and a dump that runs", () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start({ migrations: { folder: "/tmp/migrations" } });
    await stage.sql(`
      create role migrator login;
      grant create on database app to migrator;
      create table locked ();`);
    await stage.inAgent("sh", "-c", "mkdir /tmp/migrations");
  });
  afterAll(() => stage?.stop());

  const running = (name: string) =>
    stage.sql(`select count(*) from pg_stat_activity where application_name = '${name}'`);

  test("migrate up waits for it, and with --preempt ends it; the next dump is whole", async () => {
    await stage.inAgent("sh", "-c", "echo 'create schema mine' > /tmp/migrations/0001_a.sql");
    const holder = stage.sql("begin; lock table locked; select pg_sleep(60)").catch(() => {});
    const dump = stage.pgstead("backup", "now");
    await until(async () => (await running("pgstead backup snapshot")) === "1");

    const waited = await stage.pgstead("migrate", "up", "--wait", "1");
    expect(waited.code).toBe(3);
    expect(waited.stderr).toMatch(/migrate up waited 1 s for pid \d+ \(pgstead backup/);

    const { code, stdout, stderr } = await stage.pgstead("migrate", "up", "--preempt");
    expect(stderr).toContain("--preempt ends that dump");
    expect(stdout).toContain('applied 1 to "app"');
    expect(code).toBe(0);

    const ended = await dump;
    expect(ended.code).toBe(3);
    expect(ended.stderr).toContain("terminating connection due to administrator command");
    const { backups } = JSON.parse((await stage.pgstead("backup", "list", "--json")).stdout);
    expect(backups as ListResult["backups"]).toEqual([]);
    expect((await stage.inAgent("ls", "-A", "/backups")).stdout).not.toMatch(/\.dump|\.part/);

    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'slee[p]'",
    );
    await holder;
    expect((await stage.pgstead("backup", "now")).code).toBe(0);
  });

  test("S11: a dump waits for a migration, and names it", async () => {
    await stage.inAgent("sh", "-c", "echo 'select pg_sleep(60)' > /tmp/migrations/0002_b.sql");
    const up = stage.pgstead("migrate", "up");
    const sleeping = "pg_stat_activity where wait_event = 'PgSleep' and usename = 'migrator'";
    await until(async () => (await stage.sql(`select count(*) from ${sleeping}`)) === "1");
    const { code, stderr } = await stage.pgstead("backup", "now", "--wait", "1");
    expect(code).toBe(3);
    expect(stderr).toMatch(/backup waited 1 s for pid \d+ \(pgstead migrate up, since /);
    await stage.sql(`select pg_cancel_backend(pid) from ${sleeping}`);
    expect((await up).code).toBe(1);
  });

  test("S11: a dump whose lock session ends stops, and leaves no file", async () => {
    const holder = stage.sql("begin; lock table locked; select pg_sleep(60)").catch(() => {});
    const dump = stage.pgstead("backup", "now");
    await until(async () => (await running("pgstead backup snapshot")) === "1");
    await stage.sql(
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = ${LOCK_CLASS}`,
    );
    const { code, stderr } = await dump;
    expect(code).toBe(3);
    expect(stderr).toContain("the session with the operation lock ended");
    expect(stderr).toContain("backup was stopped");
    const files = (await stage.inAgent("ls", "-A", "/backups")).stdout;
    expect(files).not.toMatch(/partial|\.part/);
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'slee[p]'",
    );
    await holder;
  });

  test("S11: a role with CONNECT that takes our advisory locks does not block a dump", async () => {
    await stage.sql("create role stranger login");
    const takeAll = `select pg_advisory_lock(${LOCK_CLASS}, key), pg_sleep(key / 999 * 60) from generate_series(0, 999) key`;
    const holders = ["app", "postgres"].map((database) =>
      stage
        .exec(stage.server, ["psql", "-U", "stranger", "-d", database, "-c", takeAll])
        .catch(() => {}),
    );
    await until(
      async () => Number(await stage.sql("select count(*) from pg_locks where objid = 999")) === 2,
    );
    expect((await stage.pgstead("backup", "now", "--wait", "1")).code).toBe(0);
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'stranger'",
    );
    await Promise.all(holders);
  });

  test("--preempt ends no other operation than a dump", async () => {
    await stage.inAgent("sh", "-c", "echo 'select 1' > /tmp/migrations/0002_b.sql");
    const holder = stage.exec(
      stage.server,
      [
        "psql",
        "-U",
        "postgres",
        "-qAtc",
        `select pg_advisory_lock(${LOCK_CLASS}, 1), pg_sleep(300)`,
      ],
      ["--env", "PGAPPNAME=pgstead restore"],
    );
    await until(async () => (await running("pgstead restore")) === "1");
    const { code, stderr } = await stage.pgstead("migrate", "up", "--preempt", "--wait", "1");
    expect(code).toBe(3);
    expect(stderr).toContain("pgstead restore");
    expect(await running("pgstead restore")).toBe("1");
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pgstead restore'",
    );
    await holder;
  });

  test("a role with CONNECT that takes our advisory locks does not block `bootstrap`", async () => {
    for (const role of ["migrator", "app", "readonly"]) stage.writeFile(role, `secret of ${role}`);
    stage.write({ roles: { passwords: "/run/pgstead" } });
    await stage.sql("create role other login");
    const take = `select pg_advisory_lock(1885828980, key), pg_sleep(key / 9 * 60) from generate_series(0, 9) key`;
    const holders = ["app", "postgres"].map((database) =>
      stage.exec(stage.server, ["psql", "-U", "other", "-d", database, "-c", take]),
    );
    const held = "select count(*) from pg_locks where objid = 9 and classid = 1885828980";
    await until(async () => (await stage.sql(held)) === "2");
    const { code, stdout } = await stage.pgstead("bootstrap");
    expect(stdout).toContain("set: ");
    expect(code).toBe(0);
    await stage.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'other'",
    );
    await Promise.all(holders);
  });
});
