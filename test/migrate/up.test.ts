import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { listMigrations } from "../../operate/migrate/run/list-migrations.ts";
import { undoApplied } from "../../operate/migrate/run/undo-applied.ts";
import type { Settings } from "../../operate/settings.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let db: TestDatabase;
const options = { toolVersion: "test", lockWaitMs: 3_000, waitMs: 20_000 };
const run = (more = {}) => applyPending(db.settings, { ...options, ...more });
const states = async () =>
  Object.fromEntries(
    (await listMigrations(db.settings)).migrations.map((m) => [m.version, m.state]),
  );

beforeEach(async () => {
  db = await createDatabase();
  return () => db.drop();
});

describe("files", () => {
  test("are recorded with the number of their own statements", async () => {
    db.write("0001_a.sql", "begin; create table a (); ; select 1; -- ;\ncommit; -- the end");
    db.write(
      "0002_b.sql",
      "create function f() returns int begin atomic select 1; select 2; end; do $$ begin end; $$",
    );
    db.write("0003_c.sql", "-- nothing but a comment");
    db.write("0004_d.sql", "");
    const notes: string[] = [];
    const { applied } = await run({ note: (line: string) => notes.push(line) });
    expect(applied.map(({ statements }) => statements)).toEqual([2, 2, 0, 0]);
    expect(notes.filter((line) => line.includes("no statement"))).toEqual([
      "  0003_c.sql has no statement; it is only recorded",
      "  0004_d.sql has no statement; it is only recorded",
    ]);
    const rows = await db.query(
      "select statements_done as n from pgstead.schema_migrations order by version",
    );
    expect(rows.map(({ n }) => n)).toEqual([2, 2, 0, 0]);
  });

  test("run in order, each once, in every layout", async () => {
    db.write("0001_a.sql", "create table a (id int);\n-- migrate:down\ndrop table a;\n");
    db.write("0002_b.up.sql", "alter table a add b int;");
    db.write("0002_b.down.sql", "alter table a drop b;");
    db.write("0003_c/up.sql", "alter table a add c int;");
    db.write("0003_c/down.sql", "alter table a drop c;");
    db.write("0004_d/migration.sql", "alter table a add d int");
    const first = await run();
    expect(first.applied.map(({ version }) => version)).toEqual([
      "0001_a",
      "0002_b",
      "0003_c",
      "0004_d",
    ]);
    expect((await run()).applied).toEqual([]);
    const rows = await db.query(
      "select string_agg(attname, ',' order by attnum) as c from pg_attribute where attrelid = 'a'::regclass and attnum > 0",
    );
    expect(rows[0]?.c).toBe("id,b,c,d");
    const [owner] = await db.query("select tableowner as o from pg_tables where tablename = 'a'");
    expect(owner?.o).toBe(db.settings.database.owner);
  });

  test("that are repeatable run after the others, and again when changed", async () => {
    db.write("R__v.sql", "create or replace view v as select id from a;");
    db.write("0001_a.sql", "create table a (id int);");
    expect((await run()).applied.map(({ version }) => version)).toEqual(["0001_a", "R__v"]);
    expect((await run()).applied).toEqual([]);
    db.write("R__v.sql", "create or replace view v as select id, 1 as one from a;");
    expect((await run()).applied.map(({ version }) => version)).toEqual(["R__v"]);
  });

  test("do not leak what they SET into the next one", async () => {
    db.write(
      "0001_a.sql",
      "select pg_catalog.set_config('search_path', '', false); create table public.a ();",
    );
    db.write("0002_b.sql", "create table b ();");
    await run();
    expect(await states()).toEqual({ "0001_a": "applied", "0002_b": "applied" });
  });

  test("with BEGIN and COMMIT around them, a BOM and CRLF run as they are", async () => {
    db.write("0001_a.sql", "\uFEFFBEGIN;\r\ncreate table a ();\r\nCOMMIT;\r\n");
    await run();
    db.write("0001_a.sql", "\uFEFFBEGIN;\ncreate table a ();\nCOMMIT;\n");
    expect((await run()).applied).toEqual([]);
    expect(await states()).toEqual({ "0001_a": "applied" });
  });
});

describe("fails", () => {
  const cases: [string, string | Uint8Array, RegExp][] = [
    ["broken UTF-8", Uint8Array.from([0x2d, 0x2d, 0x0a, 0xff, 0xfe]), /0001_a.sql:2 is not UTF-8/],
    ["a lone COMMIT", "create table a ();\nCOMMIT;\n", /0001_a.sql:2: COMMIT without its BEGIN/],
    ["a lone BEGIN", "\nBEGIN;\ncreate table a ();\n", /0001_a.sql:2: BEGIN without its COMMIT/],
    ["ROLLBACK", "create table a ();\nROLLBACK;", /0001_a.sql:2: ROLLBACK would undo/],
    [
      "a psql command",
      "create table a ();\n\\connect other\n",
      /0001_a.sql:2: "\\connect" is a command of psql/,
    ],
    [
      "COPY without the end of its rows",
      "create table a (x int);\ncopy a from stdin;\n1\n",
      /0001_a.sql:4: the rows after COPY ... FROM stdin have no end; write a line/,
    ],
    [
      "CONCURRENTLY among others",
      "create table a (x int);\ncreate index concurrently on a (x);",
      /0001_a.sql:2: this statement cannot run in a transaction/,
    ],
    [
      "an unknown directive",
      "-- migrate:no-transactions\nselect 1",
      /0001_a.sql:1: "migrate:no-transactions" is not a directive/,
    ],
  ];
  test.each(cases)("on %s, before anything has run", async (_name, content, message) => {
    db.write("0000_first.sql", "create table first ();");
    db.write("0001_a.sql", content);
    await expect(run()).rejects.toThrow(message);
    const [row] = await db.query("select to_regclass('first') is null as clean");
    expect(row?.clean).toBe(true);
  });

  test("with file, line, column, caret, SQLSTATE, detail and hint", async () => {
    db.write(
      "0001_a.sql",
      "create table a (id int primary key);\n-- é 😀\ninsert into a values (1), (1);\n",
    );
    await expect(run()).rejects.toThrow(
      /0001_a\.sql:3:1: duplicate key.*\(SQLSTATE 23505\)\n\n {2}2 \| -- é 😀\n {2}3 \| insert into a.*\n {4}\| \^\n {2}4 \| \n\ndetail: Key \(id\)=\(1\) already exists/s,
    );
    db.write("0001_a.sql", "create table a (id int);\n/* 😀 */ select idd from a;\n");
    await expect(run()).rejects.toThrow(
      /0001_a\.sql:2:16: column "idd".*\^.*hint: Perhaps you meant/s,
    );
    expect(await states()).toEqual({ "0001_a": "pending" });
  });

  test("without warnings that are about our own way of going on", async () => {
    const said: string[] = [];
    db.write("0001_a.sql", "do $$ begin raise warning 'theirs'; end $$; select 1 +;");
    await expect(run({ note: (line: string) => said.push(line) })).rejects.toThrow(/syntax error/);
    db.write("0001_a.sql", "do $$ begin raise warning 'theirs'; end $$; select no_such;");
    await expect(run({ note: (line: string) => said.push(line) })).rejects.toThrow(/no_such/);
    // Another test file may hold the lock of the server meanwhile.
    expect(said.filter((line) => !line.startsWith("waiting for"))).toEqual(["  warning: theirs"]);
  });

  test("on an edited, renamed or deleted applied file, and goes on once it is back", async () => {
    db.write("0001_a.sql", "create table a ();");
    db.write("0002_b.sql", "create table b ();");
    await run();
    db.write("0001_a.sql", "create table a (id int);");
    await expect(run()).rejects.toThrow(
      /0001_a.sql was edited.*\n.*applied: [0-9a-f]{64}\n.*now: +[0-9a-f]{64}/,
    );
    db.write("0001_a.sql", null);
    await expect(run()).rejects.toThrow(/"0001_a" was applied on .* and its file is missing/);
    db.write("0001_z.sql", "create table a ();");
    await expect(run()).rejects.toThrow(
      /"0001_a" was applied and its file is now called 0001_z.sql/,
    );
    db.write("0001_z.sql", null);
    db.write("0001_a.sql", "create table a ();");
    db.write("0002_b.sql", null);
    await expect(run()).rejects.toMatchObject({
      message: expect.stringMatching(/the database is ahead of these files: it has 0002_b/),
      exitCode: 4,
    });
  });

  test("on a late file unless told to apply or skip it", async () => {
    db.write("0002_b.sql", "create table b ();");
    await run();
    db.write("0001_a.sql", "create table a ();");
    await expect(run()).rejects.toThrow(/0001_a.sql would run after later files/);
    expect((await run({ outOfOrder: "skip" })).skipped).toEqual(["0001_a"]);
    expect((await run({ outOfOrder: "apply" })).applied).toHaveLength(1);
  });

  test("on hold after a restore, until told (S10)", async () => {
    const { name } = db.settings.database;
    db.write("0001_a.sql", "create table a ();");
    await db.query(`alter database ${name} set pgstead.hold = 'restored to 09:00'`);
    const held = /on hold: restored to 09:00\nthese would run again: 0001_a/;
    await expect(run()).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(held),
    });
    expect((await run({ releaseHold: true })).applied).toHaveLength(1);
    db.write("0002_b.sql", "create table b ();");
    expect((await run()).applied).toHaveLength(1);
    db.write("0003_c.sql", "create table c ();");
    await db.query(`alter database ${name} set pgstead.hold = 'restored again'`);
    await expect(run()).rejects.toThrow(/restored again/);
  });

  test("on a newer history, without permission, and with duplicate versions", async () => {
    db.write("0001_a.sql", "create table a ();");
    await run();
    await db.query("update pgstead.layouts set layout = 99");
    await expect(run()).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining("layout 99"),
    });
    await db.query("drop schema pgstead cascade; drop table a");
    await db.query(`alter database ${db.settings.database.name} owner to postgres`);
    await expect(run()).rejects.toThrow(/GRANT CREATE ON DATABASE/);
    db.write("0001_a.up.sql", "select 1");
    await expect(run()).rejects.toThrow(/two files are version "0001_a"/);
  });
});

test.each([
  ["the owner", (database: Settings["database"]) => database],
  ["the role that logs in", ({ owner: _, ...database }: Settings["database"]) => database],
])("%s writes the history, whatever role a file ends with", async (_, change) => {
  db.settings.database = change(db.settings.database);
  const { user, name } = db.settings.database;
  await db.query(`create role ${name}_other; grant ${name}_other to ${user}`);
  try {
    db.write("0001_a.sql", `set role ${name}_other; select 1;`);
    db.write("0002_b.sql", `select 1;\n-- migrate:down\nset role ${name}_other; select 1;`);
    expect((await run()).applied).toHaveLength(2);
    expect((await undoApplied(db.settings, options)).undone).toHaveLength(1);
  } finally {
    await db.query(`drop role ${name}_other`);
  }
});

describe("concurrency", () => {
  test("a change that waits for its lock lets queries through again after a second (S7)", async () => {
    db.write("0001_a.sql", "create table a (id int);");
    await run();
    db.write("0002_b.sql", "alter table a add b int;");
    await db.session(async (holder) => {
      await holder.query("begin; select * from a");
      const going = run({ lockWaitMs: 20_000 });
      going.catch(() => {});
      const waiting = "select from pg_locks where relation = 'a'::regclass and not granted";
      while ((await db.query(waiting)).length === 0) await sleep(20);
      await db.session(async (reader) => {
        await reader.query("set lock_timeout = '4s'");
        await reader.query("select * from a");
      });
      await holder.query("commit");
      await going;
    });
  });

  test("twenty at once apply each file once", async () => {
    for (let i = 0; i < 5; i++)
      db.write(`000${i}_t.sql`, `create table t${i} (); select pg_sleep(0.02)`);
    const results = await Promise.all(Array.from({ length: 20 }, () => run()));
    expect(results.flatMap(({ applied }) => applied)).toHaveLength(5);
  });

  test("fails naming who holds the lock, and goes on when it is let go (S7)", async () => {
    db.write("0001_a.sql", "create table a (id int);");
    await run();
    db.write("0002_b.sql", "alter table a add b int;");
    const notes: string[] = [];
    await db.session(async (other) => {
      await other.query("set application_name = 'a report'");
      await other.query("begin; select * from a");
      await expect(
        run({ lockWaitMs: 1_000, note: (line: string) => notes.push(line) }),
      ).rejects.toMatchObject({
        exitCode: 3,
        message: expect.stringMatching(
          /0002_b.sql:1:1: canceling.*55P03.*held by pid \d+ \(postgres, a report/s,
        ),
      });
      const going = run({ lockWaitMs: 20_000 });
      setTimeout(() => void other.query("commit"), 1_500);
      expect((await going).applied).toHaveLength(1);
    });
  });
});
