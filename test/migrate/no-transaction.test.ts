import pg from "pg";
import { beforeEach, describe, expect, test } from "vitest";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { listMigrations } from "../../operate/migrate/run/list-migrations.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let db: TestDatabase;
const options = { toolVersion: "test", lockWaitMs: 3_000, waitMs: 20_000 };
const run = (more = {}) => applyPending(db.settings, { ...options, ...more });
const states = async () =>
  Object.fromEntries(
    (await listMigrations(db.settings)).migrations.map((m) => [m.version, m.state]),
  );
const scalar = async (sql: string) => Object.values((await db.query(sql))[0] ?? {})[0];
const isValid = (name: string) =>
  scalar(`select indisvalid from pg_index where indexrelid = to_regclass('${name}')`);

beforeEach(async () => {
  db = await createDatabase();
  db.write(
    "0001_a.sql",
    "create table a as select i as id, i as n from generate_series(1, 1000) i;",
  );
  await run();
  return () => db.drop();
});

const HEAD = "-- migrate:no-transaction\n";

describe("a file without a transaction", () => {
  test("runs statement by statement, SETs and BEGIN included", async () => {
    db.write(
      "0002_b.sql",
      `${HEAD}SET search_path = public;
create index concurrently a_id on a (id);
begin; alter table a add x int; alter table a add y int; commit;
do $$ begin perform 1; end $$;
vacuum a;
do $$ begin update a set x = 1 where id = 1; commit; update a set y = 1 where id = 1; end $$;
reindex table concurrently a;`,
    );
    expect((await run()).applied[0]?.statements).toBe(7);
    expect(await isValid("a_id")).toBe(true);
    expect(await states()).toEqual({ "0001_a": "applied", "0002_b": "applied" });
  });

  test("runs REINDEX and CLUSTER of a partitioned table, and DISCARD ALL", async () => {
    db.write("0002_b.sql", "select 1;\ndiscard all;");
    await expect(run()).rejects.toThrow(/hint: begin the file with "-- migrate:no-transaction"/);
    db.write(
      "0002_b.sql",
      `${HEAD}create table p (id int primary key) partition by range (id);
create table p1 partition of p for values from (0) to (9);
reindex table p;
cluster p using p_pkey;
set search_path = pg_catalog;
discard all;
create table last ();`,
    );
    expect((await run()).applied[0]?.statements).toBe(7);
    const [row] = await db.query("select tableowner as o from pg_tables where tablename = 'last'");
    expect(row?.o).toBe(db.settings.database.owner);
  });

  test("repeats a REINDEX of a partitioned table that failed, and asks nobody (S8)", async () => {
    const define = (body: string) =>
      db.query(
        `create or replace function f(int) returns int immutable language plpgsql as $$ begin ${body} end $$`,
      );
    await define("return 1;");
    await db.query(`create table p (id int) partition by range (id);
      create table p1 partition of p for values from (0) to (9);
      insert into p values (1); create index on p1 (f(id)); alter table p owner to ${db.settings.database.owner};
      alter table p1 owner to ${db.settings.database.owner}`);
    await define("raise 'not now';");
    db.write("0002_b.sql", `${HEAD}reindex table p;`);
    await expect(run()).rejects.toThrow(/not now/);
    await define("return 1;");
    expect((await run()).applied).toHaveLength(1);
  });

  test("needs no directive when it holds nothing but CONCURRENTLY", async () => {
    db.write("0002_b.sql", "-- as other tools have it\nCREATE INDEX CONCURRENTLY a_id ON a (id);");
    await run();
    expect(await isValid("a_id")).toBe(true);
  });

  test("carries on after the statement that failed, with the SETs replayed (S8)", async () => {
    db.write(
      "0002_b.sql",
      `${HEAD}set search_path = pg_catalog;\ncreate table public.b ();\ncreate table public.b ();\n`,
    );
    await expect(run()).rejects.toThrow(
      /0002_b.sql:4:1?.*already exists.*2 statements of 0002_b have run/s,
    );
    expect((await states())["0002_b"]).toBe("unfinished");
    db.write(
      "0002_b.sql",
      `${HEAD}set search_path = pg_catalog;\ncreate table public.c ();\ncreate table public.b ();\n`,
    );
    await expect(run()).rejects.toThrow(/was edited in its first 2 statements, which have run/);
    db.write(
      "0002_b.sql",
      `${HEAD}set search_path = pg_catalog;\ncreate table public.b ();\ncreate table public.c as select current_setting('search_path') as s;\n`,
    );
    await run();
    expect(await scalar("select s from public.c")).toBe("pg_catalog");
  });

  test("leaves no invalid index behind a failed build, and keeps those of others (S7)", async () => {
    await db.query("insert into a values (1, 1)");
    db.write("0002_b.sql", "create unique index concurrently a_id on a (id);");
    await expect(run()).rejects.toThrow(/could not create unique index.*SQLSTATE 23505/s);
    expect(await scalar("select to_regclass('a_id')")).toBeNull();
    await db.query("create unique index concurrently a_id on a (id)").catch(() => {});
    db.write("0002_b.sql", "create unique index concurrently if not exists a_id on a (id);");
    await expect(run()).rejects.toThrow(/index a_id exists and is invalid/);
    expect(await isValid("a_id")).toBe(false);
    await db.query(
      "drop index a_id; delete from a where ctid in (select max(ctid) from a group by id having count(*) > 1)",
    );
    await run();
    expect(await isValid("a_id")).toBe(true);
  });

  test.each(["pg_cancel_backend", "pg_terminate_backend"])(
    "leaves no index of a REINDEX CONCURRENTLY that %s interrupts, and keeps those of others (S7)",
    async (interrupt) => {
      await db.query("create index a_n on a (n); create table other as select 1 as n");
      await db.query("create index other_n on other (n)");
      // What somebody else's interrupted statement has left, on our table and on another one.
      const foreign = ["a_n_ccnew7", "other_n_ccnew"];
      await db.query(`create index a_n_ccnew7 on a (n); create index other_n_ccnew on other (n)`);
      await db.query(
        "update pg_index set indisvalid = false where indexrelid in ('a_n_ccnew7'::regclass, 'other_n_ccnew'::regclass)",
      );
      db.write("0002_b.sql", `${HEAD}reindex index concurrently a_n;`);
      await db.session(async (other) => {
        // REINDEX has made its new index when it waits for this transaction.
        await other.query("begin; update a set n = n where id = 1");
        const going = run();
        going.catch(() => {});
        const waiting =
          "select pid from pg_stat_activity where query ~* 'reindex index' and wait_event_type = 'Lock'";
        let pid: unknown;
        const findPid = async () => {
          // From outside: a transaction sees one state of pg_stat_activity.
          while (!pid) pid = await scalar(waiting);
        };
        await Promise.race([findPid(), going]);
        expect(await isValid("a_n_ccnew")).toBe(false);
        await db.query(`select ${interrupt}(${pid})`);
        await other.query("rollback");
        await expect(going).rejects.toThrow();
      });
      await run();
      const left = await db.query("select relname from pg_class where relname ~ '_cc' order by 1");
      expect(left.map(({ relname }) => relname)).toEqual(foreign);
      expect(await isValid("a_n")).toBe(true);
    },
  );

  test("waits as long as it must for old transactions, and says for whose (S7)", async () => {
    db.write("0002_b.sql", "create index concurrently a_id on a (id);");
    const notes: string[] = [];
    await db.session(async (other) => {
      await other.query("set application_name = 'a report'");
      await other.query("begin isolation level repeatable read; select * from a");
      await other.query("select pg_sleep(1.1)");
      const going = run({ note: (line: string) => notes.push(line) });
      setTimeout(() => void other.query("commit"), 2_000);
      await going;
    });
    expect(notes.join("\n")).toMatch(
      /will wait for the transaction of pid \d+ \(postgres, a report/,
    );
    expect(await isValid("a_id")).toBe(true);
  });

  test("stops when nobody can tell, until told to retry or to skip (S8)", async () => {
    db.write(
      "0002_b.sql",
      `${HEAD}do $$ begin insert into a values (-1); commit; raise 'no'; end $$;\ncreate table b ();`,
    );
    await expect(run()).rejects.toThrow(/0002_b.sql.*no \(SQLSTATE P0001\)/s);
    await expect(run()).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/cannot find out.*--retry.*--skip/s),
    });
    await expect(run({ resolution: "retry" })).rejects.toThrow(/P0001/);
    expect(await scalar("select count(*)::int from a where id = -1")).toBe(2);
    await run({ resolution: "skip" });
    expect(await states()).toEqual({ "0001_a": "applied", "0002_b": "applied" });
  });

  test.each([
    [
      "no-transaction",
      HEAD,
      "insert into a values (-1, 0); select 1 / (n - 1) from a where id = 1;",
    ],
    [
      "backfill",
      "-- migrate:backfill table=a key=id batch=1\n",
      "update a set n = 1 / (id - 2) where :batch;",
    ],
  ])("that ran in part is refused when its %s line was taken out", async (mode, line, sql) => {
    db.write("0002_b.sql", line + sql);
    await expect(run()).rejects.toThrow(/division by zero/);
    const before = await scalar("select sum(n) from a");
    db.write("0002_b.sql", sql.replace(":batch", "true"));
    await expect(run()).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining(`0002_b.sql ran in part as a ${mode} file`),
    });
    expect(await scalar("select sum(n) from a")).toBe(before);
    db.write("0002_b.sql", line + sql);
    await expect(run()).rejects.toThrow(/division by zero/);
  });

  test("fails on temporary tables, which a resumed file would not find", async () => {
    db.write("0002_b.sql", `${HEAD}create temp table t ();`);
    await expect(run()).rejects.toThrow(/0002_b.sql:2: a temporary table/);
  });
});

describe("a backfill", () => {
  const FILE =
    "-- migrate:backfill table=a key=id batch=90 pause=1ms\nupdate a set n = n + 1 where :batch;\n";

  test("runs in batches, each row once, carries on after a failure in the middle", async () => {
    db.write("0002_b.sql", FILE);
    await db.query(
      "create function trip() returns trigger language plpgsql as $$ begin if new.id = 500 then raise 'stop'; end if; return new; end $$",
    );
    await db.query("create trigger trip before update on a for each row execute function trip()");
    await expect(run()).rejects.toThrow(/stop/);
    const done = await scalar("select count(*)::int from a where n = id + 1");
    expect(done).toBe(450);
    await db.query("drop trigger trip on a; insert into a values (5000, 0)");
    await run();
    expect(await scalar("select count(*)::int from a where n = id + 1 and id <= 1000")).toBe(1000);
    expect(
      await scalar("select n from a where id = 5000"),
      "later rows are the application's",
    ).toBe(0);
  });

  test("S27: a key that its writer made of SQL stays a value, and its row is filled", async () => {
    db.write("0002_notes.sql", "create table notes (id text primary key, n int default 0);");
    await run();
    await db.query("create role climber");
    for (const key of ["a", "z$$", "zz$'); alter role climber superuser; --"]) {
      await db.query(`insert into notes values (${pg.escapeLiteral(key)})`);
    }
    db.write(
      "0003_b.sql",
      "-- migrate:backfill table=notes key=id batch=1\nupdate notes set n = n + 1 where :batch;\n",
    );
    await run();
    expect(await scalar("select array_agg(n order by id)::text from notes")).toBe("{1,1,1}");
    expect(await scalar("select rolsuper from pg_roles where rolname = 'climber'")).toBe(false);
    await db.query("drop role climber");
  });

  test("fails without :batch", async () => {
    db.write("0002_b.sql", "-- migrate:backfill table=a key=id\nupdate a set n = 0;");
    await expect(run()).rejects.toThrow(/WHERE :batch/);
    db.write("0002_b.sql", FILE);
    await db.query("alter table a add check (n <> 501) not valid");
    await expect(run()).rejects.toThrow(/violates check constraint/);
    db.write("0002_b.sql", FILE.replace("n + 1", "n + 2"));
    await db.query("alter table a drop constraint a_n_check");
    await expect(run()).rejects.toThrow(/0002_b.sql was edited after 450 rows of its backfill/);
    expect(await scalar("select count(*)::int from a where n = id + 1")).toBe(450);
  });

  test("is refused when it was edited after some of its rows", async () => {
    db.write("0002_b.sql", FILE.replace("n + 1", "n + 1 / (id - 500)"));
    await expect(run()).rejects.toThrow(/division by zero/);
    db.write("0002_b.sql", FILE);
    await expect(run()).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/0002_b.sql was edited after 450 rows of its backfill/),
    });
    expect(await scalar("select count(*)::int from a where n = id + 1")).toBe(0);
  });

  test.each([
    ["a NULL key among others", "insert into a values (null, 0)"],
    ["no key that is not NULL", "update a set id = null"],
  ])("fails with %s, which no batch would contain", async (_, sql) => {
    await db.query(sql);
    db.write("0002_b.sql", FILE);
    await expect(run()).rejects.toThrow(/0002_b.sql: "a" has rows whose "id" is NULL/);
    expect((await states())["0002_b"]).toBe("pending");
  });

  test("fails with the file's name when its table or its key does not exist", async () => {
    db.write("0002_b.sql", FILE.replace("table=a", "table=no_such"));
    await expect(run()).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(
        /0002_b.sql: .*table=no_such.*relation "no_such" does not exist/,
      ),
    });
  });
});
