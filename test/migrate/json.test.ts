import type { ChildProcess } from "node:child_process";
import { symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { runPgstead } from "../support/pgstead-child.ts";

let db: TestDatabase;

beforeEach(async () => {
  db = await createDatabase();
  return () => db.drop();
});

/** Fails if stdout is not JSON. */
async function runJson(args: string[], onStart?: (child: ChildProcess) => void) {
  const { code, stdout, stderr } = await runPgstead(db.settings, [...args, "--json"], onStart);
  expect(stderr).not.toMatch(/bug of pgstead|\n {4}at /);
  return { code, stderr, json: JSON.parse(stdout) };
}

const FIRST = "create table first ();\n-- migrate:down\ndrop table first;\n";
const applied = [expect.objectContaining({ version: "0001_first" })];

describe("--json is JSON, with what had been done,", () => {
  test("when a later file fails, up or down", async () => {
    db.write("0001_first.sql", FIRST);
    db.write("0002_b.sql", "select no_such;");
    expect(await runJson(["migrate", "up"])).toMatchObject({
      code: 1,
      json: { exitCode: 1, applied, failure: { line: 1, sqlstate: "42703" } },
    });
    db.write("0000_z.sql", "select 1;\n-- migrate:down\nselect no_such;\n");
    db.write("0002_b.sql", null);
    await runPgstead(db.settings, ["migrate", "run", "0000_z.sql"]);
    await db.query(
      "update pgstead.schema_migrations set position = default where version = '0001_first'",
    );
    expect(await runJson(["migrate", "down", "2"])).toMatchObject({
      code: 1,
      json: { undone: [{ version: "0001_first" }], failure: { sqlstate: "42703" } },
    });
  });

  test("when a file is bad before anything runs", async () => {
    db.write("0001_first.sql", FIRST);
    db.write("0002_b.sql", "select '\0';");
    const { code, json } = await runJson(["migrate", "up"]);
    expect(code).toBe(1);
    expect(json).toEqual({
      error: expect.stringMatching(/0002_b.sql:1 contains a NUL byte/),
      exitCode: 1,
      applied: [],
    });
  });

  test.each([
    [["migrate", "up", "--no-such"], "unknown option '--no-such'"],
    [["migrate", "stamp"], "missing required argument 'version'"],
  ])("for the wrong command line %s", async (args, error) => {
    expect(await runJson(args)).toMatchObject({ code: 1, json: { error, exitCode: 1 } });
  });

  async function signal(names: NodeJS.Signals[]) {
    db.write("0001_first.sql", FIRST);
    db.write("0002_b.sql", "select pg_sleep(30);");
    let child: ChildProcess | undefined;
    const ended = runJson(["migrate", "up"], (started) => {
      child = started;
    });
    const running = `select from pg_stat_activity where datname = '${db.settings.database.name}'
      and state = 'active' and query ~ 'pg_sleep.30.' and pid <> pg_backend_pid()`;
    while ((await db.query(running)).length === 0) await sleep(20);
    for (const name of names) child?.kill(name);
    return ended;
  }

  test("when a signal ends it", async () => {
    expect(await signal(["SIGTERM"])).toMatchObject({
      code: 143,
      json: { error: expect.stringMatching(/^stopped by SIGTERM/), exitCode: 143, applied },
    });
  });

  test("when a second signal ends it at once", async () => {
    const { code, json } = await signal(["SIGTERM", "SIGINT"]);
    expect([130, 143]).toContain(code);
    expect(json).toEqual({
      error: expect.stringMatching(/a second signal ended pgstead before it was done/),
      exitCode: code,
    });
  });

  test("when the schema goes into a file", async () => {
    const file = join(db.folder, "schema.txt");
    expect(await runJson(["migrate", "schema", "--out", file])).toMatchObject({
      code: 0,
      json: { file, left: [] },
    });
  });
});

describe("a mistake that the server reports is no bug of pgstead:", () => {
  const fails = async (args: string[], code: number, error: RegExp) =>
    expect(await runJson(args)).toMatchObject({
      code,
      json: { error: expect.stringMatching(error), exitCode: code },
    });

  test("an event trigger that forbids our schema", async () => {
    await db.query(`create function forbid() returns event_trigger language plpgsql as
      $$ begin raise 'no schemas here' using hint = 'ask Ada'; end $$;
      create event trigger forbid on ddl_command_start when tag in ('CREATE SCHEMA')
      execute function forbid()`);
    db.write("0001_first.sql", FIRST);
    await fails(
      ["migrate", "up"],
      1,
      /^the server reports: no schemas here \(SQLSTATE P0001\)\nhint: ask Ada/,
    );
  });

  test("a history without its table", async () => {
    db.write("0001_first.sql", FIRST);
    await runPgstead(db.settings, ["migrate", "up"]);
    await db.query("drop table pgstead.schema_migrations");
    await fails(["migrate", "list"], 4, /has lost its table pgstead.schema_migrations/);
  });

  test("another tool's table of another shape", async () => {
    await db.query(
      "create table schema_migrations (what text); insert into schema_migrations values ('1')",
    );
    await db.query("grant select on schema_migrations to public");
    db.write("0001_first.sql", FIRST);
    await fails(["migrate", "adopt", "--from", "dbmate"], 1, /version/);
  });

  test("a COMMIT in a file of more than 8 MB", async () => {
    db.write("0001_first.sql", `select 1;\n${`-- ${"x".repeat(1020)}\n`.repeat(8_400)}commit;\n`);
    await fails(["migrate", "up"], 1, /"commit" is not allowed in a file of more than 8 MB/);
  });

  test("a link to a folder that is named like a file", async () => {
    symlinkSync(tmpdir(), join(db.folder, "0001_first.sql"));
    const { code, json } = await runJson(["migrate", "up"]);
    expect([code, json.exitCode]).toEqual([1, 1]);
  });
});
