import pg from "pg";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { withClient } from "../../operate/connect/database.ts";
import { withOperationLock } from "../../operate/connect/operation-lock.ts";
import { LOCK_CLASS, trySessionLock } from "../../operate/connect/session-lock.ts";
import { ExitCode } from "../../operate/error.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

let db: TestDatabase;
const options = { toolVersion: "test", lockWaitMs: 3_000, waitMs: 20_000 };
const run = (more = {}) => applyPending(db.settings, { ...options, ...more });

beforeEach(async () => {
  db = await createDatabase();
  return () => db.drop();
});

async function login(user: string, database = db.settings.database.name): Promise<pg.Client> {
  const { host, port } = inject("server");
  const client = new pg.Client({ host, port, user, password: "migrator", database });
  client.on("error", () => {});
  await client.connect();
  return client;
}

const rowsOf = (sql: string) => db.query(sql);

/** Sessions with a lock of pgstead in this database, those that run a statement last. */
const holders = () =>
  rowsOf(`select a.* from pg_locks l join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and l.classid = ${LOCK_CLASS} and a.datname = current_database()
    order by a.state = 'active'`);

const sleeps = async () =>
  (
    await rowsOf(
      "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
    )
  ).length > 0;

describe("the operation lock", () => {
  test("a role with CONNECT that takes our advisory locks blocks nobody (S11)", async () => {
    const stranger = `${db.settings.database.name}_stranger`;
    await db.query(`create role ${stranger} login password 'migrator'`);
    const sessions = [await login(stranger), await login(stranger, "postgres")];
    try {
      for (const session of sessions) {
        await session.query(
          `select pg_advisory_lock(${LOCK_CLASS}, key) from generate_series(0, 999) as key`,
        );
      }
      db.write("0001_a.sql", "create table a ();");
      expect((await run({ waitMs: 1_000 })).applied).toHaveLength(1);
    } finally {
      for (const session of sessions) await session.end();
      await db.query(`drop role ${stranger}`);
    }
  });

  test("it needs no CONNECT on the database postgres", async () => {
    const { user } = db.settings.database;
    await db.query("revoke connect on database postgres from public");
    try {
      await expect(login(user, "postgres")).rejects.toThrow(/permission denied/);
      db.write("0001_a.sql", "create table a ();");
      expect((await run()).applied).toHaveLength(1);
    } finally {
      await db.query("grant connect on database postgres to public");
    }
  });

  test("its session has no snapshot and no transaction, so vacuum is not held back", async () => {
    db.write("0001_a.sql", "select pg_sleep(1.5);");
    const going = run();
    await until(sleeps);
    const [lock] = await holders();
    expect(lock).toMatchObject({ state: "idle", xact_start: null });
    expect(lock).toMatchObject({ backend_xmin: null, backend_xid: null });
    await going;
  });

  test("when its session ends, the operation stops and says so (S11)", async () => {
    db.write("0001_a.sql", "create table a (); select pg_sleep(60);");
    const failure = run().then(
      () => undefined,
      (error) => error,
    );
    await until(sleeps);
    const [lock] = await holders();
    await db.query(`select pg_terminate_backend(${lock?.pid})`);
    const { message, exitCode } = (await failure) ?? {};
    expect(message).toMatch(
      /^the session with the operation lock ended \(terminating connection.*migrate up was stopped/,
    );
    expect(message).toContain("the file was rolled back completely");
    expect(exitCode).toBe(ExitCode.unreachable);
    expect(await sleeps()).toBe(false);
    expect(await rowsOf("select to_regclass('a') as a")).toEqual([{ a: null }]);
  });

  test("two operations exclude each other, and the message names the other", async () => {
    db.write("0001_a.sql", "select pg_sleep(60);");
    const up = run().catch(() => {});
    await until(sleeps);
    const lock = { purpose: "backup", waitMs: 500 };
    await expect(withOperationLock(db.settings, lock, async () => {})).rejects.toThrow(
      /^backup waited 1 s for pid \d+ \(pgstead migrate up, since /,
    );
    await db.query(
      "select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()",
    );
    await up;
    await withOperationLock(db.settings, lock, () =>
      expect(run({ waitMs: 500 })).rejects.toThrow(
        /^migrate up waited 1 s for pid \d+ \(pgstead backup, since /,
      ),
    );
  });

  test("an operation in another database of the server is seen (S11)", async () => {
    db.write("0001_a.sql", "select 1;");
    const elsewhere = { ...db.settings, database: { ...db.settings.database, name: "postgres" } };
    await withOperationLock(elsewhere, { purpose: "backup", waitMs: 500 }, () =>
      expect(run({ waitMs: 500 })).rejects.toThrow(/\(pgstead backup, since /),
    );
  });

  test("a superuser's dump waits for a migration of the role in its settings", async () => {
    const name = db.settings.database.name;
    await db.query(`create role ${name}_loner login password 'migrator'`);
    const session = await login(`${name}_loner`);
    try {
      await session.query(`select pg_advisory_lock(${LOCK_CLASS}, 1000)`);
      const { superuser: user } = inject("server");
      await db.session(async (client) => {
        expect(client.user).toBe(user);
        expect(await trySessionLock(client, { logins: [`${name}_loner`] })).toMatch(/^pid \d+ \(/);
        expect(await trySessionLock(client)).toBeUndefined();
      });
    } finally {
      await session.end();
      await db.query(`drop role ${name}_loner`);
    }
  });

  test("a superuser's dump waits for a migration of a member of the owner", async () => {
    const session = await login(db.settings.database.user);
    try {
      await session.query(`select pg_advisory_lock(${LOCK_CLASS}, 1000)`);
      await db.session(async (client) =>
        expect(await trySessionLock(client)).toMatch(/^pid \d+ \(role /),
      );
    } finally {
      await session.end();
    }
  });

  test("two sessions that try at the same moment never both get it (S11)", async () => {
    const connection = { purpose: "race" };
    await withClient(db.settings, connection, (one) =>
      withClient(db.settings, connection, async (two) => {
        for (let round = 0; round < 50; round++) {
          const answers = await Promise.all([trySessionLock(one), trySessionLock(two)]);
          expect(answers.filter((answer) => answer === undefined).length).toBeLessThan(2);
          for (const client of [one, two]) await client.query("select pg_advisory_unlock_all()");
        }
      }),
    );
  });
});
