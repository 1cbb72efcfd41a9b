import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../operate/migrate/files/checksum.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import type { IndexIntent } from "../../operate/migrate/run/intent.ts";
import { dropLeftovers } from "../../operate/migrate/run/reindex.ts";
import type { Runner } from "../../operate/migrate/session/runner.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let db: TestDatabase;
const options = { toolVersion: "test", lockWaitMs: 3_000, waitMs: 20_000 };
const run = (more = {}) => applyPending(db.settings, { ...options, ...more });
const scalar = async (sql: string) => Object.values((await db.query(sql))[0] ?? {})[0];
const readOid = async (name: string) => Number(await scalar(`select to_regclass('${name}')::oid`));
const isValid = (oid: number) =>
  scalar(`select indisvalid from pg_index where indexrelid = ${oid}`);

const FILE = "0002_b.sql";
const BUILD = "create index concurrently a_id on a (id);";

beforeEach(async () => {
  db = await createDatabase();
  db.write("0001_a.sql", "create table a as select i as id from generate_series(1, 100) i;");
  db.write(FILE, BUILD);
  await applyPending(db.settings, { ...options, to: "0001_a" });
  return () => db.drop();
});

/** Exactly what a runner leaves that was killed after it had recorded this intent. */
async function leaveKilledRun(intent: Partial<IndexIntent>): Promise<void> {
  const index = { table: await readOid("a"), name: "a_id", existed: false, ...intent };
  const progress = {
    direction: "up",
    doneHash: sha256(""),
    intent: { kind: "catalog", since: "2026-01-01T00:00:00Z", index },
  };
  const checksum = sha256(BUILD);
  await db.query(`insert into pgstead.schema_migrations
    (version, state, checksum_raw, checksum, tool_version, progress)
    values ('0002_b', 'applying', '${checksum}', '${checksum}', 'test', '${JSON.stringify(progress)}')`);
}

/** As a failed build of another session leaves it. */
async function leaveInvalidIndex(): Promise<number> {
  await db.query("create index a_id on a (id)");
  const oid = await readOid("a_id");
  await db.query(`update pg_index set indisvalid = false where indexrelid = ${oid}`);
  return oid;
}

/** Another session builds the index, and cannot end before `use` has. */
async function whileAnotherBuilds(use: (oid: number) => Promise<void>): Promise<void> {
  await db.session(async (holder) => {
    await holder.query("begin; update a set id = id where id = 1");
    await db.session(async (builder) => {
      const building = builder.query(BUILD);
      building.catch(() => {});
      let oid = 0;
      while (!oid) {
        oid = Number(
          await scalar(
            "select index_relid from pg_stat_progress_create_index where index_relid <> 0 and datname = current_database()",
          ),
        );
      }
      // A runner that drops this index waits for its builder, and the builder for this transaction.
      const release = setTimeout(() => void holder.query("rollback"), 2_500);
      await use(oid);
      clearTimeout(release);
      await holder.query("rollback");
      await building;
      expect(await readOid("a_id"), "the index of the other session").toBe(oid);
      expect(await isValid(oid)).toBe(true);
    });
  });
}

describe("a concurrent build outlasts the timeouts of its role (S7):", () => {
  test.each(["lock_timeout", "statement_timeout"])("%s", async (timeout) => {
    await db.query(`alter role ${db.settings.database.user} set ${timeout} = '700ms'`);
    await db.session(async (holder: Client) => {
      await holder.query("begin; update a set id = id where id = 1");
      const going = run();
      going.catch(() => {});
      const waiting = `select from pg_stat_activity where query ~* '^create index' and wait_event_type = 'Lock'
        and datname = current_database()`;
      let isOver = false;
      void going.finally(() => (isOver = true)).catch(() => {});
      while ((await db.query(waiting)).length === 0 && !isOver) await sleep(20);
      await sleep(1_200);
      await holder.query("rollback");
      await going;
    });
    expect(await isValid(await readOid("a_id"))).toBe(true);
  });
});

test("a build that ends with an invalid index is an error (S7)", async () => {
  await db.query(`create function break_it() returns event_trigger security definer language plpgsql as
    $$ begin update pg_index set indisvalid = false where indexrelid = to_regclass('public.a_id'); end $$;
    create event trigger break_it on ddl_command_end when tag in ('CREATE INDEX')
    execute function break_it()`);
  await expect(run()).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringMatching(/index a_id was built, but it is not valid/),
  });
});

describe("after a kill, the index of another session stays (S7, S8):", () => {
  test("an invalid one, when the kill came before our build had an oid", async () => {
    const oid = await leaveInvalidIndex();
    await leaveKilledRun({});
    await expect(run()).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(/cannot find out whether it took effect/),
    });
    expect(await readOid("a_id")).toBe(oid);
  });

  test("an invalid one with the name of ours, which is gone", async () => {
    const oid = await leaveInvalidIndex();
    await leaveKilledRun({ oid: 1 });
    await expect(run()).rejects.toThrow(/"a_id" already exists/);
    expect(await readOid("a_id")).toBe(oid);
  });

  test("one that existed before ours began is not taken for our result", async () => {
    await db.query("create index a_id on a (id)");
    const oid = await readOid("a_id");
    await leaveKilledRun({ existed: true });
    await expect(run()).rejects.toThrow(/"a_id" already exists/);
    expect(await readOid("a_id")).toBe(oid);
  });

  test("a valid one, with --retry", async () => {
    await db.query("create index a_id on a (id)");
    const oid = await readOid("a_id");
    await leaveKilledRun({});
    await expect(run({ resolution: "retry" })).rejects.toThrow(/"a_id" already exists/);
    expect(await readOid("a_id")).toBe(oid);
  });

  test("one that it builds now, also under the oid that we recorded", async () => {
    await whileAnotherBuilds(async (oid) => {
      await leaveKilledRun({ oid });
      await expect(run()).rejects.toMatchObject({ exitCode: 2 });
    });
  });

  test("one that its REINDEX CONCURRENTLY builds now", async () => {
    const { owner } = db.settings.database;
    await db.query(`create index a_id on a (id); alter table a owner to ${owner}`);
    await db.session(async (holder) => {
      await holder.query("begin; update a set id = id where id = 1");
      await db.session(async (builder) => {
        const building = builder.query("reindex index concurrently a_id");
        let oid = 0;
        while (!oid) oid = await readOid("a_id_ccnew");
        await db.session(async (client) => {
          await client.query(`set role ${owner}; set statement_timeout = '2s'`);
          await dropLeftovers({ client, settings: db.settings } as Runner, {
            tables: [await readOid("a")],
            known: [],
          });
        });
        await holder.query("rollback");
        await building;
        expect(await readOid("a_id")).toBe(oid);
      });
    });
  });

  test("one that it builds now, with --retry", async () => {
    // On another table: two concurrent builds on one table wait for each other.
    await db.query(`create table b (id int); alter table b owner to ${db.settings.database.owner}`);
    db.write(FILE, BUILD.replace("on a", "on b"));
    await whileAnotherBuilds(async () => {
      await leaveKilledRun({ table: await readOid("b") });
      await expect(run({ resolution: "retry" })).rejects.toThrow(/"a_id" already exists/);
    });
  });
});

test("after our own kill, the invalid index with our oid is dropped and built again (S8)", async () => {
  const oid = await leaveInvalidIndex();
  await db.query(`alter table a owner to ${db.settings.database.owner}`);
  await leaveKilledRun({ oid });
  await run();
  expect(await readOid("a_id")).not.toBe(oid);
  expect(await isValid(await readOid("a_id"))).toBe(true);
});

test("a statement that fails over an invalid index of another session does not drop it (S7)", async () => {
  const oid = await leaveInvalidIndex();
  db.write(FILE, "create index concurrently a_id on a (no_such);");
  await expect(run()).rejects.toThrow(/column "no_such" does not exist/);
  expect(await readOid("a_id")).toBe(oid);
});
