import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { readCensus } from "../../operate/backup/format/census.ts";
import { readDatabaseFacts } from "../../operate/backup/take/dump-snapshot.ts";
import { runChecks } from "../../operate/checks/run-checks.ts";
import { withClient } from "../../operate/connect/database.ts";
import { LOCK_CLASS } from "../../operate/connect/session-lock.ts";
import { readDatabaseSection } from "../../operate/inspect/database-section.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { listMigrations } from "../../operate/migrate/run/list-migrations.ts";
import type { Settings } from "../../operate/settings.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { freePort } from "../support/free-port.ts";

/** The census reads such a table only in part. */
const LARGE_TABLE = 1_001;

let db: TestDatabase;
const options = { toolVersion: "test", lockWaitMs: 3_000, waitMs: 20_000 };
const run = (more = {}) => applyPending(db.settings, { ...options, ...more });
const scalar = async (sql: string) => Object.values((await db.query(sql))[0] ?? {})[0];
const exists = (name: string) => scalar(`select to_regclass('${name}') is not null`);
const versions = async () =>
  (await listMigrations(db.settings)).migrations
    .filter(({ state }) => state === "applied")
    .map(({ version }) => version);

beforeEach(async () => {
  db = await createDatabase();
  return () => db.drop();
});

async function until(condition: () => Promise<unknown>, ms = 20_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms`);
    await sleep(50);
  }
}

const sleeping = () =>
  scalar(
    `select pid from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
  );

describe("another role that may create objects (S27)", () => {
  const climber = () => `${db.settings.database.name}_climber`;

  beforeEach(async () => {
    const { name } = db.settings.database;
    await db.query(`create role ${climber()}`);
    await db.query(
      `grant create on schema public to ${climber()}; grant create on database ${name} to ${climber()}`,
    );
    return () => db.query(`drop owned by ${climber()} cascade; drop role ${climber()}`);
  });

  const asClimber = (sql: string) =>
    db.session(async (client) => {
      await client.query(`set role ${climber()}`);
      await client.query(sql);
    });

  /** Whoever calls one of these fails. A real one would do something as the caller. */
  function plant(schema: string): string {
    const climb =
      "language plpgsql as $$ begin raise exception 'climbed as %', current_user; end $$";
    const operators = [
      ["*", "integer", "numeric", "numeric"],
      ["||", "text", "interval", "text"],
      ["=", "varchar", "varchar", "boolean"],
      ["~", "name", "name", "boolean"],
      ["<>", "name", "name", "boolean"],
      ["!~", "name", "text", "boolean"],
    ];
    const functions = [
      "to_char(timestamp, varchar)",
      "format(text, name, name)",
      "format(text, name)",
      "array_agg(text)",
      "pg_database_size(text)",
      "current_setting(varchar)",
      "max(text)",
      "to_regclass(varchar)",
      "md5(varchar)",
      "pg_size_pretty(integer)",
    ];
    return [
      ...functions.map((name) => `create function ${schema}.${name} returns text ${climb}`),
      ...operators.map(
        ([, left, right, result], i) =>
          `create function ${schema}.climb${i}(${left}, ${right}) returns ${result} ${climb}`,
      ),
      ...operators.map(
        ([name, left, right], i) =>
          `create operator ${schema}.${name} (leftarg = ${left}, rightarg = ${right}, function = ${schema}.climb${i})`,
      ),
    ].join(";");
  }

  function asSuperuser(): Settings {
    const { superuser, password } = inject("server");
    const passwordFile = join(db.folder, "..", `${db.settings.database.name}.superuser`);
    writeFileSync(passwordFile, password);
    return { ...db.settings, database: { ...db.settings.database, user: superuser, passwordFile } };
  }

  test("S27: runs nothing as us: list, up, check, status, census, facts", async () => {
    const { user } = db.settings.database;
    const { superuser } = inject("server");
    await asClimber(plant("public"));
    for (const name of [user, superuser]) {
      await asClimber(`create schema ${name}; ${plant(name)}`);
      await db.query(`grant usage on schema ${name} to public`);
    }
    await asClimber(`create table climb (id int primary key, note varchar);
      insert into climb select i, 'a' from generate_series(1, ${LARGE_TABLE}) i;
      create table little (id int); insert into little values (1);
      create function climb_text(climb) returns text language plpgsql as $$ begin raise exception 'climbed'; end $$;
      create cast (climb as text) with function climb_text(climb);
      create function climb_text(little) returns text language plpgsql as $$ begin raise exception 'climbed'; end $$;
      create cast (little as text) with function climb_text(little)`);
    db.write("0001_a.sql", "create table public.a (id int);");
    db.write(
      "0002_b.sql",
      "-- migrate:no-transaction\ncreate index concurrently on public.a (id);",
    );
    expect((await run()).applied).toHaveLength(2);
    await listMigrations(db.settings);
    for (const settings of [db.settings, asSuperuser()]) {
      const checks = await runChecks(settings);
      expect(checks.filter(({ passed }) => !passed)).toEqual([]);
      await readDatabaseSection(settings);
    }
    await withClient(asSuperuser(), { purpose: "test" }, async (client) => {
      await client.query("begin read only");
      expect((await readCensus(client)).rows["public.climb"]).toBe(LARGE_TABLE);
      await client.query("commit; begin read only");
      expect((await readDatabaseFacts(client, "climb")).auditHead).toEqual({ id: 1, note: "a" });
      await client.query("commit");
    });
  });

  test("S27: has made the schema pgstead beforehand: it is refused, and so is a trigger of its own", async () => {
    db.write("0001_a.sql", "create table a ();");
    await asClimber("create schema pgstead");
    const foreign = {
      exitCode: 4,
      message: expect.stringContaining(`belongs to role "${climber()}"`),
    };
    await expect(run()).rejects.toMatchObject(foreign);
    await expect(listMigrations(db.settings)).rejects.toMatchObject(foreign);
    await db.query("drop schema pgstead");
    await run();
    await asClimber(
      "create function climb() returns trigger language plpgsql as $$ begin raise exception 'climbed'; end $$",
    );
    await db.query(
      "create trigger climb before insert on pgstead.schema_migrations for each row execute function climb()",
    );
    await expect(run()).rejects.toThrow(
      /the trigger "climb" on "pgstead.schema_migrations" runs a/,
    );
    await db.query("drop trigger climb on pgstead.schema_migrations");
    await db.query(`alter table pgstead.released_holds owner to ${climber()}`);
    await expect(run()).rejects.toThrow(/"pgstead.released_holds" belongs to role/);
    await db.query(
      "drop table pgstead.released_holds; create view pgstead.released_holds as select 1",
    );
    await expect(run()).rejects.toThrow(/"pgstead.released_holds" is not a table/);
  });
});

describe("a file leaves nothing in the session", () => {
  test("no temporary table, prepared statement, setting or released lock", async () => {
    db.write(
      "0001_a.sql",
      `create temp table u (x int); prepare p as select 1; select pg_advisory_unlock_all();
       set default_transaction_isolation = 'serializable';`,
    );
    db.write(
      "0002_b.sql",
      `create table public.u (id int); insert into u (id) values (7); prepare p as select 2;
       create table seen as select current_setting('transaction_isolation') as level,
         current_setting('idle_session_timeout') as idle, current_setting('client_connection_check_interval') as checked,
         (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
         current_setting('search_path') as path;`,
    );
    await run();
    expect(await db.query("select id from public.u")).toEqual([{ id: 7 }]);
    expect(await db.query("select * from seen")).toEqual([
      { level: "read committed", idle: "0", checked: "2s", locks: 1, path: '"$user", public' },
    ]);
  });

  test("timeouts of its role do not end a long migration or lose its lock (S7)", async () => {
    const { user } = db.settings.database;
    for (const name of ["transaction", "idle_session", "idle_in_transaction_session"]) {
      await db.query(`alter role ${user} set ${name}_timeout = '700ms'`);
    }
    db.write("0001_a.sql", "create table a as select 1 as one; select pg_sleep(1.5);");
    const going = run();
    await until(sleeping);
    await sleep(1_000);
    const held = `select count(*)::int from pg_locks l join pg_stat_activity s using (pid)
      where locktype = 'advisory' and usename = '${user}'`;
    expect(await scalar(held), "the operation lock and the session's own").toBe(2);
    expect((await going).applied).toHaveLength(1);
  });

  test("a CONCURRENTLY does not reset its lock_timeout, and SET ROLE does not deny our record (S7)", async () => {
    const { user, owner, name } = db.settings.database;
    await db.query(
      `create role ${name}_other; grant ${name}_other to ${user}; grant create on schema public to ${name}_other`,
    );
    db.write(
      "0001_a.sql",
      `-- migrate:no-transaction
create table a (id int);
set lock_timeout = '9s';
create index concurrently a_id on a (id);
set role ${name}_other;
create table c as select current_setting('lock_timeout') as t;
vacuum c;`,
    );
    await run();
    expect(await scalar("select t from c")).toBe("9s");
    expect(await scalar("select tableowner from pg_tables where tablename = 'a'")).toBe(owner);
    expect(await versions()).toEqual(["0001_a"]);
    await db.query(`drop owned by ${name}_other cascade; drop role ${name}_other`);
  });
});

describe("a COMMIT that the scanner does not see", () => {
  /** For the server the string ends before the COMMIT, for the scanner after it. */
  const hidden = (sql: string) => `create table a ();\nselect 'x\\''; ${sql}; --'\n`;
  beforeEach(() =>
    db.query(`alter role ${db.settings.database.user} set standard_conforming_strings = off`),
  );

  test.each([
    ["commit; create table b ()", true],
    ["commit; begin; create table b ()", true],
    ["commit; begin deferrable; create table b ()", true],
    ["commit; select 1/0", true],
    ["commit; begin; create table b (); select 1/0", true],
    ["rollback; select 1", false],
  ])("%s: the error says what was kept", async (sql, kept) => {
    db.write("0001_a.sql", hidden(sql));
    await expect(run()).rejects.toThrow(
      kept
        ? /ended the transaction of pgstead.*before its COMMIT stays/
        : /ended the transaction of pgstead.*the file was rolled back completely/,
    );
    expect(await exists("a")).toBe(kept);
  });

  test("is not suspected in a file with RESET ALL and savepoints", async () => {
    db.write(
      "0001_a.sql",
      "savepoint s; create table a (); rollback to s; reset all; create table b ();",
    );
    await run();
    expect(await versions()).toEqual(["0001_a"]);
  });
});

test("a file that changes while `up` waits for its lock does not run under the old hash", async () => {
  db.write("0001_a.sql", "create table a ();");
  db.write("0002_big.sql", `create table big ();\n${"-- filler\n".repeat(900_000)}`);
  const { host, port, superuser: user, password } = inject("server");
  const { default: pg } = await import("pg");
  const locking = async (use: () => void) => {
    const holder = new pg.Client({ host, port, user, password, database: "postgres" });
    await holder.connect();
    await holder.query(`select pg_advisory_lock(${LOCK_CLASS}, 1)`);
    const going = run({ note: (line: string) => void (/waiting for/.test(line) && use()) });
    setTimeout(() => void holder.end(), 1_500);
    return going;
  };
  await expect(locking(() => db.write("0001_a.sql", "create table other ();"))).rejects.toThrow(
    /0001_a.sql changed after pgstead had read it/,
  );
  expect(await exists("other")).toBe(false);
  await run({ count: 1 });
  await expect(
    locking(() =>
      db.write("0002_big.sql", `create table big2 ();\n${"-- filler\n".repeat(900_000)}`),
    ),
  ).rejects.toThrow(/0002_big.sql changed after pgstead had read it/);
  expect(await exists("big2")).toBe(false);
});

test("a watcher that cannot connect does not end the run", async () => {
  await db.query(`alter role ${db.settings.database.user} connection limit 2`);
  db.write("0001_a.sql", "create table a (); select pg_sleep(1.5);");
  const notes: string[] = [];
  expect((await run({ note: (line: string) => notes.push(line) })).applied).toHaveLength(1);
  expect(notes.join("\n")).toMatch(/cannot watch this statement: .*too many connections/);
});

describe("the last word", () => {
  const start = () =>
    spawn(
      process.execPath,
      ["--import", "tsx", "test/support/migrate-child.ts", JSON.stringify(db.settings)],
      { stdio: ["ignore", "ignore", "pipe"] },
    );

  async function end(child: ChildProcess) {
    let text = "";
    child.stderr?.on("data", (data) => {
      text += data;
    });
    const [code] = await once(child, "close");
    return { code, text };
  }

  test("after SIGINT: the statement was cancelled, and nothing of its file was kept", async () => {
    db.write("0001_a.sql", "create table a (); select pg_sleep(60);");
    const child = start();
    const ended = end(child);
    await until(sleeping);
    child.kill("SIGINT");
    const { code, text } = await ended;
    expect(text).toContain(
      "stopped by SIGINT; 0001_a.sql was cancelled: the file was rolled back completely",
    );
    expect(code).toBe(130);
    expect([await sleeping(), await exists("a")]).toEqual([undefined, false]);
  });

  test("after SIGINT that came too late: which files are applied, and that the next was not started", async () => {
    db.write(
      "0001_a.sql",
      "create table a (); do $$ begin perform pg_sleep(60); exception when query_canceled then null; end $$;",
    );
    db.write("0002_b.sql", "create table b ();");
    const child = start();
    const ended = end(child);
    await until(sleeping);
    child.kill("SIGINT");
    expect((await ended).text).toContain(
      "stopped by SIGINT; applied before the stop: 0001_a; 0002_b was not started",
    );
    expect(await versions()).toEqual(["0001_a"]);
  });

  test("after SIGKILL the server ends the statement within seconds, also in the second file", async () => {
    db.write("0001_a.sql", "create table a ();");
    db.write("0002_b.sql", "create table b (); select pg_sleep(60);");
    const child = start();
    await until(sleeping);
    child.kill("SIGKILL");
    await until(async () => !(await sleeping()), 8_000);
  });

  test("after a lost connection: what the server rolled back", async () => {
    db.write("0001_a.sql", "create table a (); select pg_sleep(60);");
    const going = run();
    going.catch(() => {});
    await until(sleeping);
    await db.query(`select pg_terminate_backend(${await sleeping()})`);
    await expect(going).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("the file was rolled back completely"),
    });
  });

  test("after a connection that was lost during COMMIT: that the file is applied", async () => {
    const proxy = await startProxy();
    db.write(
      "0001_a.sql",
      `create table a (id int);
       create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return new; end $$;
       create constraint trigger slow after insert on a deferrable initially deferred for each row execute function slow();
       insert into a values (1);`,
    );
    const { database } = db.settings;
    const settings = {
      ...db.settings,
      database: { ...database, host: "127.0.0.1", port: proxy.port },
    };
    const going = applyPending(settings, options);
    going.catch(() => {});
    await until(sleeping);
    proxy.cut();
    await expect(going).rejects.toThrow(/the server had committed it: 0001_a is applied/);
    expect(await versions()).toEqual(["0001_a"]);
    proxy.close();
  });

  test("after a backfill that failed: how many rows are done", async () => {
    db.write(
      "0001_a.sql",
      "create table a as select i as id, 1 as n from generate_series(1, 100) i;",
    );
    db.write(
      "0002_b.sql",
      "-- migrate:backfill table=a key=id batch=30\nupdate a set n = 1 / (70 - id) where :batch;",
    );
    await expect(run()).rejects.toThrow(/60 rows of the backfill are done and stay/);
  });
});

/** Between us and the server. `cut` ends every connection, and later ones are accepted again. */
async function startProxy() {
  const { host, port } = inject("server");
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(port, host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
    }
  });
  const own = await freePort();
  await new Promise<void>((done) => server.listen(own, "127.0.0.1", done));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const close = () => {
    cut();
    server.close();
  };
  return { port: own, cut, close };
}
