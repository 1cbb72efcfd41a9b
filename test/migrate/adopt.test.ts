import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeEach, describe, expect, inject, test } from "vitest";
import { adopt, planAdoption, writeBaseline } from "../../operate/migrate/adopt/adopt.ts";
import type { Tool } from "../../operate/migrate/adopt/foreign-history.ts";
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
    db.write("seed.sql", "select 1;");
    db.write("R__views.sql", "select 1;");
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
    expect(await adopt(db.settings, from)).toMatchObject({
      record: ["000001_a", "000002_b"],
      pending: ["000010_c", "seed", "R__views"],
    });
    expect(await drift()).toEqual([]);
    expect((await applyPending(db.settings, options)).applied).toHaveLength(3);
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

describe("up on a database that another tool has migrated", () => {
  const up = () => applyPending(db.settings, options);

  test("is refused with the line to type, and nothing is made", async () => {
    db.write("0001_a.sql", "create table a ();");
    await asOwner("create table goose_db_version (version_id int)");
    await asOwner("insert into goose_db_version values (1)");
    await expect(up()).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('"pgstead migrate adopt --from goose"'),
    });
    expect(await db.query("select to_regclass('a') as a, to_regnamespace('pgstead') as s")).toEqual(
      [{ a: null, s: null }],
    );
  });

  test("in any schema, even where its rows cannot be read; an empty table refuses nothing", async () => {
    db.write("0001_a.sql", "create table a ();");
    await db.query("create schema other; create table other.goose_db_version (version_id int)");
    await expect(up()).rejects.toThrow(/adopt --from goose --table other.goose_db_version"/);
    await db.query(
      `grant usage on schema other to public; grant select on other.goose_db_version to public`,
    );
    expect((await up()).applied).toHaveLength(1);
    await db.query("insert into other.goose_db_version values (1)");
    db.write("0002_b.sql", "create table b ();");
    expect((await up()).applied, "it has a history of its own").toHaveLength(1);
  });

  test("goose, flyway, prisma, diesel, sqlx and sql-migrate are adopted by their own tables", async () => {
    const adoptFrom = async (from: Tool, files: string[], table: string, rows: string) => {
      const other = await createDatabase();
      try {
        for (const file of files) other.write(file, "select 1;");
        await other.query(
          `${table}; ${rows}; grant select on all tables in schema public to public`,
        );
        const plan = await adopt(other.settings, { ...options, from });
        return { record: plan.record, pending: plan.pending };
      } finally {
        await other.drop();
      }
    };
    const found = {
      goose: await adoptFrom(
        "goose",
        ["00001_a.sql", "00002_b.sql"],
        "create table goose_db_version (version_id bigint, is_applied boolean)",
        "insert into goose_db_version values (0, true), (1, true), (2, false)",
      ),
      flyway: await adoptFrom(
        "flyway",
        ["V1__a.sql", "V2__b.sql"],
        "create table flyway_schema_history (version text, type text, script text, success boolean)",
        "insert into flyway_schema_history values (null, 'SCHEMA', 'x', true), ('1', 'SQL', 'V1__a.sql', true), ('2', 'SQL', 'V2__b.sql', false)",
      ),
      prisma: await adoptFrom(
        "prisma",
        ["1_a/migration.sql", "2_b/migration.sql"],
        "create table _prisma_migrations (migration_name text, checksum text, finished_at timestamptz, rolled_back_at timestamptz)",
        `insert into _prisma_migrations values ('1_a', '${createHash("sha256").update("select 1;").digest("hex")}', now(), null), ('2_b', 'x', null, null)`,
      ),
      diesel: await adoptFrom(
        "diesel",
        ["2017-08-31-230457_a/up.sql", "2018-01-01-000000_b/up.sql"],
        "create table __diesel_schema_migrations (version text)",
        "insert into __diesel_schema_migrations values ('20170831230457')",
      ),
      sqlx: await adoptFrom(
        "sqlx",
        ["0001_a.sql", "0002_b.sql"],
        "create table _sqlx_migrations (version bigint, success boolean)",
        "insert into _sqlx_migrations values (1, true), (2, false)",
      ),
      "sql-migrate": await adoptFrom(
        "sql-migrate",
        ["0001_a.sql", "0002_b.sql"],
        "create table gorp_migrations (id text)",
        "insert into gorp_migrations values ('0001_a.sql')",
      ),
    };
    for (const [tool, { record, pending }] of Object.entries(found)) {
      expect([tool, record.length, pending.length]).toEqual([tool, 1, 1]);
    }
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
