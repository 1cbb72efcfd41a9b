import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { beforeAll, expect, test } from "vitest";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { listMigrations } from "../../operate/migrate/run/list-migrations.ts";
import { schemaText } from "../../operate/migrate/schema/schema-file.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

const files: Record<string, string> = {
  "0000_history.sql": "select 1;",
  "0001_a.sql": "create table a as select i as id, 0 as n from generate_series(1, 300) i;",
  "0002_b.sql": "begin; create table b (id int primary key); insert into b values (1); commit;",
  "0003_c.sql": `-- migrate:no-transaction
set application_name = 'kills';
create unique index concurrently a_id on a (id);
create table c (id int);
do $$ begin insert into c values (1); end $$;
create index concurrently if not exists a_n on a (n);
reindex index concurrently a_n;
vacuum a;
drop index concurrently a_n;`,
  "0004_d.sql": "-- migrate:backfill table=a key=id batch=60\nupdate a set n = n + 1 where :batch;",
  "0005_e/up.sql": "alter table c add e int default 5;",
  "0006_f.sql": "create index concurrently c_e on c (e);",
  "R__v.sql": "create or replace view v as select id, n from a;",
};

/** The seed decides which writes of the history get a strike; with a stride of 1 it is each of them. */
const SEED = Number(process.env.KILL_SEED ?? 1);
const STRIDE = Number(process.env.KILL_STRIDE ?? 4);

let program: string;
let expected: unknown;

beforeAll(async () => {
  // Beside node_modules, so that the parser's WebAssembly is found.
  const folder = mkdtempSync(resolve("node_modules/.kills-"));
  program = join(folder, "migrate-child.cjs");
  await build({
    entryPoints: ["test/support/migrate-child.ts"],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "cjs",
    external: ["libpg-query", "pg-native", "@electric-sql/*"],
  });
  expected = await inDatabase(async (db) => {
    expect(await ended(start(db))).toBe(0);
    return outcome(db);
  });

  return () => rmSync(folder, { recursive: true });
});

/**
 * A strike lands at the n-th write of the history: a trigger makes that write wait for a lock of the test.
 * The statement that the row records has run then, and its transaction is open. A record in another
 * transaction than its statement would be lost alone.
 */
test("a runner killed at any record of the history leaves what an undisturbed one would, once it is run again (S8)", async () => {
  const writes = await countWrites();
  expect(writes).toBeGreaterThan(30);
  const struck: number[] = [];
  for (let n = 1 + (SEED % STRIDE); n <= writes; n += STRIDE) {
    await inDatabase(async (db) => {
      await pauseAtWrite(db, n);
      await db.session(async (holder) => {
        await holder.query("select pg_advisory_lock(42)");
        const runner = start(db);
        const end = ended(runner);
        const pid = await waitForSession(
          db,
          "wait_event_type = 'Lock' and wait_event = 'advisory'",
          end,
        );
        runner.kill("SIGKILL");
        // With the backend, as when the machine fails: a server that lives on would end the transaction.
        await db.query(`select pg_terminate_backend(${pid})`);
        struck.push(n);
        await end;
        await db.query("drop trigger pause on pgstead.schema_migrations");
        await db.query("drop function pause; drop sequence writes");
      });
      await finish(db);
      expect(await outcome(db), `killed at write ${n} of ${writes}`).toEqual(expected);
    });
  }
  expect(struck).toHaveLength(Math.ceil((writes - (SEED % STRIDE)) / STRIDE));
});

/** Statement, and what the next run needs: nothing, or a person's decision. */
const inside: [string, string, string][] = [
  ["create unique index concurrently a_id on a (id);", "", "create unique index"],
  ["reindex index concurrently a_n;", "create index a_n on a (n);", "reindex index"],
  ["drop index concurrently a_n;", "create index a_n on a (n);", "drop index"],
  [
    "alter table p detach partition p1 concurrently -- the old one\n;",
    "create table p (id int) partition by list (id); create table p1 partition of p for values in (1);",
    "alter table p detach",
  ],
];

test.each(inside)(
  "a runner killed inside %s is completed by the next run (S8)",
  async (sql, before, query) => {
    const db = await createDatabase();
    try {
      db.write(
        "0001_a.sql",
        `create table a as select i as id, 0 as n from generate_series(1, 300) i; ${before}`,
      );
      expect(await ended(start(db))).toBe(0);
      db.write("0002_b.sql", `-- migrate:no-transaction\n${sql}\ncreate table done ();\n`);
      await db.session(async (holder) => {
        // Each of these statements waits for this transaction, after it has changed the catalog.
        await holder.query(
          `begin; update a set n = n where id = 1; ${before.includes(" p ") ? "select * from p" : ""}`,
        );
        const runner = start(db);
        const end = ended(runner);
        const pid = await waitForSession(
          db,
          `wait_event_type = 'Lock' and query ~* '^${query}'`,
          end,
        );
        // The build's oid is recorded by then.
        const deadline = Date.now() + 10_000;
        while (query.startsWith("create") && (await recordedOid(db)) === null) {
          expect(Date.now(), "the oid of the build is recorded").toBeLessThan(deadline);
          await sleep(10);
        }
        runner.kill("SIGKILL");
        await db.query(`select pg_terminate_backend(${pid})`);
        await end;
        await holder.query("rollback");
      });
      expect(
        await db.query("select state from pgstead.schema_migrations where version = '0002_b'"),
      ).toEqual([{ state: "applying" }]);
      expect(await ended(start(db))).toBe(0);
      expect(
        await db.query(`select to_regclass('a_id') is not null as built, to_regclass('a_n') is not null as old,
      to_regclass('done') is not null as done, (select count(*)::int from pg_index where not indisvalid) as invalid,
      (select count(*)::int from pg_inherits where inhdetachpending) as pending,
      (select count(*)::int from pg_inherits where inhrelid = to_regclass('p1')) as attached`),
      ).toEqual([
        {
          built: query.startsWith("create"),
          old: query.startsWith("reindex"),
          done: true,
          invalid: 0,
          pending: 0,
          attached: 0,
        },
      ]);
    } finally {
      await db.drop();
    }
  },
);

/** How often an undisturbed run writes the history after its first file. */
async function countWrites(): Promise<number> {
  return inDatabase(async (db) => {
    await pauseAtWrite(db, 1_000_000);
    expect(await ended(start(db))).toBe(0);
    return Number((await db.query("select last_value - 1 as n from writes"))[0]?.n);
  });
}

/** The n-th write of the history waits for the advisory lock 42. The first file makes the history. */
async function pauseAtWrite(db: TestDatabase, n: number): Promise<void> {
  const { owner } = db.settings.database;
  await applyPending(db.settings, { toolVersion: "test", waitMs: 30_000, to: "0000_history" });
  await db.query(`create sequence writes; alter sequence writes owner to ${owner};
    select nextval('writes');
    create function pause() returns trigger language plpgsql as $$ begin
      if nextval('public.writes') = ${n + 1} then perform pg_advisory_xact_lock(42); end if;
      return new; end $$;
    create trigger pause before insert or update on pgstead.schema_migrations
    for each row execute function pause()`);
}

/** The pid of the runner's session that matches `condition`. */
async function waitForSession(
  db: TestDatabase,
  condition: string,
  end: Promise<unknown>,
): Promise<number> {
  const deadline = Date.now() + 20_000;
  let isOver = false;
  void end.then(() => {
    isOver = true;
  });
  for (;;) {
    const [row] = await db.query(`select pid from pg_stat_activity where ${condition}
      and datname = current_database() and usename = '${db.settings.database.user}'`);
    if (row) return Number(row.pid);
    if (isOver) throw new Error("the runner ended before the strike");
    if (Date.now() > deadline) throw new Error("the runner did not reach the strike");
    await sleep(20);
  }
}

const recordedOid = async (db: TestDatabase) =>
  (
    await db.query(
      "select progress->'intent'->'index'->>'oid' as oid from pgstead.schema_migrations where version = '0002_b'",
    )
  )[0]?.oid ?? null;

async function inDatabase<T>(use: (db: TestDatabase) => Promise<T>): Promise<T> {
  const db = await createDatabase();
  try {
    for (const [name, content] of Object.entries(files)) db.write(name, content);
    return await use(db);
  } finally {
    await db.drop();
  }
}

function start(db: TestDatabase, resolution?: string): ChildProcess {
  const args = [program, JSON.stringify(db.settings), ...(resolution ? [resolution] : [])];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
}

function ended(runner: ChildProcess): Promise<number | null> {
  return new Promise((done) => {
    let said = "";
    runner.stderr?.on("data", (data) => {
      said += data;
    });
    runner.once("exit", (code) => {
      if (code === 70) console.error(said);
      done(code);
    });
  });
}

/** As a person would: again, and where nobody can tell whether an index is ours, with their word. */
async function finish(db: TestDatabase): Promise<void> {
  for (let tries = 0; tries < 5; tries++) {
    const code = await ended(start(db, tries > 0 ? "retry" : undefined));
    if (code === 0) return;
    expect(code, "only an unclear statement may stop the next run").toBe(2);
  }
  throw new Error("the runs after the last kill did not come to an end");
}

async function outcome(db: TestDatabase) {
  const { migrations } = await listMigrations(db.settings);
  const { sql } = await schemaText(db.settings);
  const rows = await db.query(
    "select (select sum(n)::int from a) as a, (select count(*)::int from b) as b, (select count(*)::int from c) as c",
  );
  const history = await db.query(
    "select version, state, checksum, statements_done, progress from pgstead.schema_migrations order by version",
  );
  return { states: migrations.map(({ version, state }) => [version, state]), sql, rows, history };
}

test.each([
  ["in a transaction", "select pg_sleep(50)"],
  ["without one", "-- migrate:no-transaction\nselect pg_sleep(50)"],
])("S8: the server ends the statement %s of a killed runner within seconds", (_, sql) =>
  inDatabase(async (db) => {
    db.write("0000_long.sql", sql);
    const runner = start(db);
    const running = async () =>
      (
        await db.query(
          "select from pg_stat_activity where datname = current_database() and state = 'active' and query ~ 'pg_slee[p]'",
        )
      ).length > 0;
    await until(running);
    runner.kill("SIGKILL");
    await ended(runner);
    await until(async () => !(await running()));
  }),
);
