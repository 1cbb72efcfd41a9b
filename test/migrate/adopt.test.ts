import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { adopt, planAdoption, writeBaseline } from "../../operate/migrate/adopt/adopt.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { verify } from "../../operate/migrate/schema/find-drift.ts";
import { schemaText } from "../../operate/migrate/schema/schema-file.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { upgradeByAlembic } from "./alembic-project.ts";

let db: TestDatabase;
const options = { toolVersion: "test", waitMs: 20_000 };
const drift = async () => (await verify(db.settings)).differences;

beforeEach(async () => {
  db = await createDatabase();
  return () => db.drop();
});

/** As the database's owner would have made it with whatever tool. */
const asOwner = (sql: string) => db.query(`set role ${db.settings.database.owner}; ${sql}`);

/** As the superuser. */
function url(): string {
  const { host, port, superuser, password } = inject("server");
  return `postgres://${superuser}:${password}@${host}:${port}/${db.settings.database.name}?sslmode=disable`;
}

const rich = readFileSync(resolve("test/migrate/rich-schema.sql"), "utf8");

describe("adopt", () => {
  test("refuses a file that was edited after it was recorded, unless it is accepted as it is", async () => {
    db.write("0001_a.sql", "select 1;");
    db.write("0002_b.sql", "select 2; -- edited");
    const sum = (text: string) => createHash("sha256").update(text).digest("hex");
    await asOwner(`create table done (file text, sum text);
      insert into done values ('0001_a.sql', '${sum("select 1;")}'), ('0002_b.sql', '${sum("select 2;")}')`);
    const custom = {
      ...{ ...options, from: "custom" as const, table: "done" },
      ...{ versionColumn: "file", checksumColumn: "sum" },
    };
    await expect(adopt(db.settings, custom)).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringMatching(
        /edited after custom applied them: \S*0002_b\S*; .*--accept-edited/,
      ),
    });
    await adopt(db.settings, { ...custom, acceptEdited: true });
    expect((await applyPending(db.settings, options)).applied).toEqual([]);
    expect(await db.query("select version from pgstead.schema_migrations order by 1")).toEqual([
      { version: "0001_a" },
      { version: "0002_b" },
    ]);
  });

  test("takes over from dbmate itself, without running anything, and finds no drift", async () => {
    db.write(
      "20240101000000_users.sql",
      "-- migrate:up\ncreate table users (id serial primary key, email text unique not null);\n-- migrate:down\ndrop table users;\n",
    );
    db.write(
      "20240102000000_idx.sql",
      "-- migrate:up transaction:false\ncreate index concurrently users_email on users (lower(email));\n-- migrate:down transaction:false\ndrop index concurrently users_email;\n",
    );
    execFileSync(
      "node_modules/.bin/dbmate",
      ["--url", url(), "--migrations-dir", db.folder, "--no-dump-schema", "up"],
      { stdio: "pipe" },
    );
    await db.query("grant select on schema_migrations to public");
    db.write("20240103000000_more.sql", "-- migrate:up\ncreate table more ();");
    const plan = await planAdoption(db.settings, { ...options, from: "dbmate" });
    expect(plan).toMatchObject({
      record: ["20240101000000_users", "20240102000000_idx"],
      pending: ["20240103000000_more"],
    });
    expect(await db.query("select to_regclass('pgstead.schema_migrations') as t")).toEqual([
      { t: null },
    ]);
    await adopt(db.settings, { ...options, from: "dbmate" });
    expect(await drift()).toEqual([]);
    expect((await applyPending(db.settings, options)).applied).toHaveLength(1);
    await expect(adopt(db.settings, { ...options, from: "dbmate" })).rejects.toThrow(
      /already has a history of pgstead/,
    );
  });

  test("takes over from golang-migrate itself, and fails when that is dirty or has no such file", async () => {
    db.write("000001_a.up.sql", "create table a (id int); create index on a (id);");
    db.write("000001_a.down.sql", "drop table a;");
    db.write("000002_b.up.sql", "create table b (id int primary key);");
    db.write("000010_c.up.sql", "create table c (;");
    const program = execFileSync("test/fixture/golang-migrate", { encoding: "utf8" }).trim();
    const migrate = (...args: string[]) =>
      execFileSync(
        program,
        ["-path", db.folder, "-database", `${url().replace(/^postgres:/, "pgx5:")}`, ...args],
        { stdio: "pipe" },
      );
    expect(() => migrate("up")).toThrow(/syntax error/);
    await db.query("grant select on schema_migrations to public");
    const from = { ...options, from: "golang-migrate" as const };
    await expect(adopt(db.settings, from)).rejects.toThrow(/left version 10 dirty/);
    migrate("force", "3");
    await expect(adopt(db.settings, from)).rejects.toThrow(
      /has applied versions that have no file here: 3/,
    );
    migrate("force", "2");
    db.write("000010_c.up.sql", "create table c ();");
    expect((await adopt(db.settings, from)).pending).toEqual(["000010_c"]);
    expect(await drift()).toEqual([]);
    expect((await applyPending(db.settings, options)).applied).toHaveLength(1);
  });

  test("takes over a custom table with checksums, and fails on an edited file", async () => {
    const files = ["migrate_2026_05_07_a.sql", "migrate_2026_06_01_b.sql"];
    await asOwner("create table history (filename text, checksum text)");
    for (const [i, file] of files.entries()) {
      const sql = `create table t${i} ();`;
      db.write(file, sql);
      await asOwner(
        `${sql} insert into history values ('${file}', '${createHash("md5").update(sql).digest("hex")}')`,
      );
    }
    const from = {
      ...options,
      from: "custom" as const,
      table: "history",
      versionColumn: "filename",
      checksumColumn: "checksum",
    };
    db.write("migrate_2026_05_07_a.sql", "create table t0 (id int);");
    await expect(adopt(db.settings, from)).rejects.toThrow(
      /edited after custom applied them: migrate_2026_05_07_a.sql/,
    );
    db.write("migrate_2026_05_07_a.sql", "create table t0 ();");
    expect((await adopt(db.settings, from)).record).toHaveLength(2);
    expect(await drift()).toEqual([]);
  });

  test("writes the schema that Alembic itself made as a baseline, which makes the same schema elsewhere", async () => {
    upgradeByAlembic(url(), db.settings.database.owner!, rich);
    const from = { ...options, from: "alembic" as const };
    const { baseline } = await planAdoption(db.settings, from);
    await expect(adopt(db.settings, from)).rejects.toThrow(/0000_baseline.sql is missing/);
    expect(writeBaseline(db.folder, baseline!)).toBe(join(db.folder, "0000_baseline.sql"));
    // A run that was killed before it recorded the file finds it again.
    expect(writeBaseline(db.folder, baseline!)).toBeUndefined();
    const plan = await adopt(db.settings, from);
    expect(plan).toMatchObject({ at: ["ab12"], record: ["0000_baseline"], pending: [] });
    expect(await drift()).toEqual([]);
    expect((await applyPending(db.settings, options)).applied).toEqual([]);
  });
});

describe("verify and schema", () => {
  test("a schema file is the same from one database to the next, and drift shows", async () => {
    db.write("0001_a.sql", rich);
    await applyPending(db.settings, options);
    const { sql } = await schemaText(db.settings);
    const other = await createDatabase();
    other.write("0001_a.sql", sql);
    await applyPending(other.settings, options);
    expect((await schemaText(other.settings)).sql).toBe(sql);
    await other.drop();
    expect(await drift()).toEqual([]);
    await db.query(
      "alter table docs alter title drop not null; drop index docs_embedding_idx; create view extra as select 1 as x; alter function f() security definer",
    );
    expect((await drift()).map(({ what, kind, name }) => `${what} ${kind} ${name}`).sort()).toEqual(
      [
        "changed function public.f()",
        "changed table public.docs",
        "extra view public.extra",
        "missing index public.docs_embedding_idx",
      ],
    );
  });

  test("the project's schema.sql is what its migrations make", async () => {
    const folder = resolve("migrations");
    const settings = { ...db.settings, migrations: { ...db.settings.migrations, folder } };
    await applyPending(settings, options);
    const { sql } = await schemaText(settings);
    const file = resolve("docs/schema.sql");
    if (process.env.UPDATE_SCHEMA) writeFileSync(file, sql);
    expect(sql, "run again with UPDATE_SCHEMA=1 and review the change").toBe(
      readFileSync(file, "utf8"),
    );
  });
});
