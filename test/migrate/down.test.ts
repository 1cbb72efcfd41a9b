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
