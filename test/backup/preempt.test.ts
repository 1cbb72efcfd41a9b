import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ListResult } from "../../operate/backup/store/list-backups.ts";
import { OPERATION_LOCK } from "../../operate/connect/operation-lock.ts";
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

  test("--preempt ends no other operation than a dump", async () => {
    await stage.inAgent("sh", "-c", "echo 'select 1' > /tmp/migrations/0002_b.sql");
    const holder = stage.exec(
      stage.server,
      [
        "psql",
        "-U",
        "postgres",
        "-qAtc",
        `select pg_advisory_lock(${OPERATION_LOCK}), pg_sleep(300)`,
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
});
