import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { listMigrations } from "../../operate/migrate/run/list-migrations.ts";
import { schemaText } from "../../operate/migrate/schema/schema-file.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

const files: Record<string, string> = {
  "0001_a.sql":
    "create table a as select i as id, 0 as n from generate_series(1, 300) i; select pg_sleep(0.03);",
  "0002_b.sql":
    "begin; create table b (id int primary key); select pg_sleep(0.03); insert into b values (1); commit;",
  "0003_c.sql": `-- migrate:no-transaction
set application_name = 'kills';
create unique index concurrently a_id on a (id);
create table c (id int);
do $$ begin insert into c values (1); perform pg_sleep(0.03); end $$;
create index concurrently if not exists a_n on a (n);
reindex index concurrently a_n;
vacuum a;
drop index concurrently a_n;`,
  "0004_d.sql":
    "-- migrate:backfill table=a key=id batch=40 pause=5ms\nupdate a set n = n + 1 where :batch;",
  "0005_e/up.sql": "alter table c add e int default 5; select pg_sleep(0.03);",
  "0006_f.sql": "create index concurrently c_e on c (e);",
  "R__v.sql": "create or replace view v as select id, n from a; select pg_sleep(0.03);",
};

const RUNS = Number(process.env.KILL_RUNS ?? 12);

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

/** How long after its start a runner is disturbed, and how. */
const disturbance = fc.record({
  after: fc.integer({ min: 60, max: 700 }),
  how: fc.constantFrom<"kill" | "terminate">("kill", "kill", "terminate"),
});

test(
  "a runner killed at random points leaves what an undisturbed one would, once it is run again (S8)",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(disturbance, { minLength: 1, maxLength: 5 }),
        async (disturbances) => {
          await inDatabase(async (db) => {
            for (const { after, how } of disturbances) {
              const runner = start(db);
              const end = ended(runner);
              await Promise.race([sleep(after), end]);
              if (how === "kill") runner.kill("SIGKILL");
              else await terminateSessions(db);
              await end;
            }
            await finish(db);
            expect(await outcome(db)).toEqual(expected);
          });
        },
      ),
      {
        numRuns: RUNS,
        ...(process.env.FC_SEED && { seed: Number(process.env.FC_SEED) }),
      },
    );
  },
  RUNS * 15_000,
);

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

const terminateSessions = (db: TestDatabase) =>
  db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${db.settings.database.user}'`,
  );

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
    const until = async (wanted: boolean) => {
      for (let tries = 0; (await running()) !== wanted; tries++) {
        if (tries > 200) throw new Error(`the statement ${wanted ? "did not start" : "goes on"}`);
        await sleep(100);
      }
    };
    await until(true);
    runner.kill("SIGKILL");
    await ended(runner);
    await until(false);
  }),
);
