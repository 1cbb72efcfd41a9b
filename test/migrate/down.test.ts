import { beforeEach, describe, expect, test } from "vitest";
import {
  chooseNextVersion,
  createMigration,
} from "../../operate/migrate/files/create-migration.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { listMigrations } from "../../operate/migrate/run/list-migrations.ts";
import { runFile } from "../../operate/migrate/run/run-file.ts";
import { stamp } from "../../operate/migrate/run/stamp.ts";
import { undoApplied } from "../../operate/migrate/run/undo-applied.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let db: TestDatabase;
const options = { toolVersion: "test", lockWaitMs: 3_000, waitMs: 20_000 };
const pending = async () =>
  (await listMigrations(db.settings)).migrations
    .filter((m) => m.state !== "applied")
    .map((m) => m.version);

beforeEach(async () => {
  db = await createDatabase();
  db.write("0001_a.sql", "create table a (id int);\n-- migrate:down\ndrop table a;\n");
  db.write("0002_b.up.sql", "create table b ();");
  db.write("0002_b.down.sql", "drop table b;");
  db.write("0003_c/up.sql", "create index concurrently a_id on a (id)");
  db.write("0003_c/down.sql", "drop index concurrently a_id");
  await applyPending(db.settings, options);
  return () => db.drop();
});

describe("down", () => {
  test("undoes the last one, up to a version, and everything; up brings it back", async () => {
    expect((await undoApplied(db.settings, options)).undone.map((u) => u.version)).toEqual([
      "0003_c",
    ]);
    await applyPending(db.settings, options);
    const result = await undoApplied(db.settings, { ...options, to: "0001_a" });
    expect(result).toMatchObject({
      undone: [{ version: "0003_c" }, { version: "0002_b" }],
      schemaVersion: "0001_a",
    });
    expect((await undoApplied(db.settings, { ...options, to: "base" })).schemaVersion).toBeNull();
    expect(await pending()).toEqual(["0001_a", "0002_b", "0003_c"]);
    expect((await applyPending(db.settings, options)).applied).toHaveLength(3);
  });

  test("fails as a whole when one has no way back, and says why", async () => {
    db.write("0004_d.sql", "-- migrate:irreversible: drops the old column\nselect 1;");
    db.write("0005_e.sql", "select 1;\n-- migrate:down\nselect 1;");
    await applyPending(db.settings, options);
    await expect(undoApplied(db.settings, { ...options, count: 2 })).rejects.toThrow(
      /0004_d.sql cannot be undone: drops the old column/,
    );
    expect(await pending()).toEqual([]);
    db.write("0005_e.sql", "select 1;");
    await expect(undoApplied(db.settings, options)).rejects.toThrow(/0005_e.sql was edited/);
  });

  test("fails on a protected stack without a name, a reason and a proven backup; all is recorded", async () => {
    db.settings.migrations.protected = true;
    const approval = { by: "Ada", reason: "release undone" };
    const refused = (message: RegExp) =>
      expect.objectContaining({ exitCode: 4, message: expect.stringMatching(message) });
    await expect(undoApplied(db.settings, options)).rejects.toEqual(
      refused(/needs --approved-by NAME/),
    );
    await expect(undoApplied(db.settings, { ...options, approval })).rejects.toEqual(
      refused(/it has no backups; .*--accept-loss/),
    );
    expect(await pending()).toEqual([]);
    await undoApplied(db.settings, { ...options, approval: { ...approval, acceptLoss: true } });
    const [row] = await db.query(
      "select approvals from pgstead.schema_migrations where version = '0003_c'",
    );
    expect(row?.approvals).toMatchObject([
      { action: "down", ...approval, acceptedLoss: true, role: db.settings.database.user },
    ]);
  });
});

describe("down with files that are missing", () => {
  const undo = (to: string) => undoApplied(db.settings, { ...options, to });
  const remove = (...names: string[]) => names.forEach((name) => void db.write(name, null));

  test("is refused when the version of --to has no file, and undoes nothing", async () => {
    remove("0001_a.sql");
    await expect(undo("0001_a")).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(/"0001_a" is applied and has no file here/),
    });
    expect(await pending()).toEqual(["0001_a"]);
  });

  test("is refused when a later version has no file, whether by its name or by when it was applied", async () => {
    db.write("0000_late.sql", "select 1;\n-- migrate:down\nselect 2;\n");
    await applyPending(db.settings, { ...options, outOfOrder: "apply" });
    remove("0000_late.sql");
    await expect(undo("0001_a")).rejects.toThrow(/"0000_late" is applied and has no file here/);
    await stamp(db.settings, "0000_late", { ...options, forget: true });
    remove("0002_b.up.sql", "0002_b.down.sql");
    await db.query(
      "update pgstead.schema_migrations set position = default where version = '0001_a'",
    );
    await expect(undo("0001_a")).rejects.toThrow(/"0002_b" is applied and has no file here/);
    expect(await pending()).toEqual(["0002_b"]);
  });

  test("goes on when only an earlier version has no file", async () => {
    remove("0001_a.sql");
    expect((await undo("0002_b")).undone.map((u) => u.version)).toEqual(["0003_c"]);
  });
});

test("down lists what it will undo before it starts, and with plan it only lists", async () => {
  const planned = await undoApplied(db.settings, { ...options, to: "base", plan: true });
  expect(planned).toMatchObject({ planned: ["0003_c", "0002_b", "0001_a"], undone: [] });
  expect(planned.schemaVersion).toBe("0003_c");
  expect(await pending()).toEqual([]);
  const notes: string[] = [];
  const note = (line: string) => notes.push(line);
  await undoApplied(db.settings, { ...options, count: 2, note });
  expect(notes[0]).toBe("will undo, in this order: 0003_c, 0002_b");
  expect(notes[1]).toMatch(/^undone 0003_c/);
});

test("a down that stopped half-way is finished by down alone, and no other verb runs its file", async () => {
  db.write(
    "0004_d.sql",
    `-- migrate:no-transaction
create table d (id int);
-- migrate:down
-- migrate:no-transaction
create table d_log ();
insert into d_log select from no_such;
drop table d;
`,
  );
  await applyPending(db.settings, options);
  await expect(undoApplied(db.settings, options)).rejects.toThrow(/no_such/);
  await expect(applyPending(db.settings, options)).rejects.toThrow(
    /0004_d is only partly undone; finish it with "pgstead migrate down"/,
  );
  await expect(runFile(db.settings, "0004_d", { ...options, force: true })).rejects.toThrow(
    /"0004_d" is only partly undone; finish it with "pgstead migrate down" first/,
  );
  await db.query(
    `create table no_such (); alter table no_such owner to ${db.settings.database.owner}`,
  );
  await undoApplied(db.settings, options);
  expect(await db.query("select to_regclass('d') as d, to_regclass('d_log')::text as log")).toEqual(
    [{ d: null, log: "d_log" }],
  );
  expect(await pending()).toEqual(["0004_d"]);
});

describe("the place of a version in the history", () => {
  const next = async () =>
    (await undoApplied(db.settings, { ...options, plan: true })).planned?.[0];

  test("stays when stamp accepts an edited file", async () => {
    db.write("0002_b.up.sql", "create table b (); -- edited");
    await stamp(db.settings, "0002_b", { ...options, only: true });
    expect(await next()).toBe("0003_c");
  });

  test("stays when run --force runs a file again, in a transaction or outside", async () => {
    db.write("0004_d.sql", "-- migrate:no-transaction\nselect 1;");
    db.write("0005_e.sql", "select 1;");
    db.write(
      "0006_f.sql",
      "-- migrate:backfill table=a key=id\nupdate a set id = id where :batch;",
    );
    db.write("0007_g.sql", "select 1;\n-- migrate:down\nselect 1;");
    await applyPending(db.settings, options);
    for (const file of ["0004_d", "0005_e", "0006_f"]) {
      await runFile(db.settings, file, { ...options, force: true });
      expect(await next()).toBe("0007_g");
    }
  });

  test("is the newest after a file was undone and applied or stamped again", async () => {
    const { undone } = await undoApplied(db.settings, { ...options, count: 2 });
    expect(undone.map((u) => u.version)).toEqual(["0003_c", "0002_b"]);
    await stamp(db.settings, "0003_c", { ...options, only: true });
    await applyPending(db.settings, { ...options, outOfOrder: "apply" });
    expect(await next()).toBe("0002_b");
  });
});

describe("on a protected stack", () => {
  const approval = { by: "Ada", reason: "as agreed", acceptLoss: true };
  const approvals = async (version: string) =>
    (
      await db.query(`select approvals from pgstead.schema_migrations where version = '${version}'`)
    )[0]?.approvals;

  test("stamp needs the approval that down needs, and records it", async () => {
    db.settings.migrations.protected = true;
    db.write("0004_d.sql", "select 1;");
    for (const only of [{ only: true }, { forget: true }]) {
      await expect(stamp(db.settings, "0003_c", { ...options, ...only })).rejects.toMatchObject({
        exitCode: 4,
        message: expect.stringMatching(/stamp changes what .* needs --approved-by NAME/),
      });
    }
    await stamp(db.settings, "0004_d", { ...options, approval });
    await stamp(db.settings, "0003_c", { ...options, forget: true, approval });
    for (const version of ["0004_d", "0003_c"]) {
      expect(await approvals(version)).toMatchObject([
        { action: "stamp", by: "Ada", reason: "as agreed", acceptedLoss: true },
      ]);
    }
  });

  test.each([
    ["no-transaction", "-- migrate:no-transaction\nselect 1 / (select count(*) from a);"],
    [
      "backfill",
      "-- migrate:backfill table=b key=id\nupdate b set id = 1 / (select count(*)::int from a) where :batch;",
    ],
  ])(
    "an approved run of a %s file records the approval, also when the file fails",
    async (_, sql) => {
      await db.query(
        "alter table b add id int; insert into b values (1); insert into a values (1)",
      );
      db.write("0004_d.sql", sql);
      await applyPending(db.settings, options);
      await db.query("truncate a");
      db.settings.migrations.protected = true;
      await expect(
        runFile(db.settings, "0004_d", { ...options, force: true, approval }),
      ).rejects.toThrow(/division by zero/);
      expect(await approvals("0004_d")).toMatchObject([{ action: "run", by: "Ada" }]);
    },
  );
});

describe("a trigger that discards the history row", () => {
  const discard = (when: string) =>
    db.query(`create or replace function discard() returns trigger language plpgsql as
      $$ begin if ${when} then return null; end if; return new; end $$;
      create or replace trigger discard before insert or update on pgstead.schema_migrations
      for each row execute function discard()`);
  const isRefused = expect.objectContaining({
    exitCode: 4,
    message: expect.stringMatching(/discarded the history row/),
  });

  test("fails a file in a transaction, which is rolled back", async () => {
    await discard("true");
    db.write("0004_d.sql", "create table d ();");
    await expect(applyPending(db.settings, options)).rejects.toEqual(isRefused);
    expect(await db.query("select to_regclass('d') as d")).toEqual([{ d: null }]);
  });

  test.each([
    ["start", "new.state = 'applying' and new.statements_done = 0", null],
    ["progress", "new.statements_done = 1", null],
    ["end", "new.state = 'applied'", "d"],
  ])("fails a no-transaction file at its %s", async (_, when, table) => {
    await discard(when);
    db.write("0004_d.sql", "-- migrate:no-transaction\ncreate table d ();");
    await expect(applyPending(db.settings, options)).rejects.toEqual(isRefused);
    expect(await db.query("select to_regclass('d')::text as d")).toEqual([{ d: table }]);
  });

  test("fails down, stamp and the record of an approval", async () => {
    await discard("true");
    await expect(undoApplied(db.settings, { ...options, count: 2 })).rejects.toEqual(isRefused);
    await expect(stamp(db.settings, "0002_b", { ...options, forget: true })).rejects.toEqual(
      isRefused,
    );
    db.write("0004_d.sql", "select 1;");
    await expect(stamp(db.settings, "head", options)).rejects.toEqual(isRefused);
    expect(await pending()).toEqual(["0004_d"]);
  });
});

test("run runs one file, refuses it twice, and with --force runs it again", async () => {
  db.write("0009_x.sql", "insert into a values (1);");
  await runFile(db.settings, "0009_x.sql", options);
  await expect(runFile(db.settings, "0009_x", options)).rejects.toThrow(/--force runs it again/);
  await runFile(db.settings, "0009_x", { ...options, force: true });
  expect(await db.query("select count(*)::int as n from a")).toEqual([{ n: 2 }]);
});

test("stamp records without running, accepts an edit, forgets", async () => {
  db.write("0004_d.sql", "create table never ();");
  await stamp(db.settings, "head", options);
  expect(await pending()).toEqual([]);
  db.write("0004_d.sql", "create table never (id int);");
  await expect(applyPending(db.settings, options)).rejects.toThrow(/was edited/);
  await stamp(db.settings, "0004_d", { ...options, only: true });
  await applyPending(db.settings, options);
  expect((await stamp(db.settings, "0002_b", options)).forgotten).toEqual(["0003_c", "0004_d"]);
  await stamp(db.settings, "0002_b", { ...options, forget: true });
  expect(await pending()).toEqual(["0002_b", "0003_c", "0004_d"]);
});

test("new goes on with the names and the layout there are, and is refused until written", async () => {
  const now = new Date("2026-05-07T08:09:10Z");
  const after = (version: string) => chooseNextVersion([{ version }], "x", now);
  expect(
    [
      "0009_a",
      "9_a",
      "20260101000000_a",
      "202601010000_a",
      "migrate_2026_01_02_a",
      "V12__a",
      "a",
    ].map(after),
  ).toEqual([
    "0010_x",
    "10_x",
    "20260507080910_x",
    "202605070809_x",
    "migrate_2026_05_07_x",
    "V13_x",
    "20260507080910_x",
  ]);
  const { paths } = createMigration(db.settings, "Add users!");
  expect(paths.map((path) => path.slice(db.folder.length))).toEqual([
    "/0004_add_users/up.sql",
    "/0004_add_users/down.sql",
  ]);
  await expect(applyPending(db.settings, options)).rejects.toThrow(/up.sql:1: write the SQL/);
});
