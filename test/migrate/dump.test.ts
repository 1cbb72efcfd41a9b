import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, test } from "vitest";
import { LARGE_BYTES } from "../../operate/migrate/files/find-files.ts";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { undoApplied } from "../../operate/migrate/run/undo-applied.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { withEmbedded } from "../support/embedded.ts";
import { until } from "../support/until.ts";

const options = { toolVersion: "test", waitMs: 20_000 };
const up = ({ settings }: TestDatabase) => applyPending(settings, options);

/** By the pg_dump of the test server, because an older one refuses it. */
function dump({ settings: { database } }: TestDatabase): string {
  const { host, port, superuser, password } = inject("server");
  const args = ["-U", superuser, "-d", database.name, "--exclude-schema", "pgstead"];
  const run = (program: string, ...given: string[]) =>
    execFileSync(program, given, {
      encoding: "utf8",
      env: { ...process.env, PGPASSWORD: password },
      stdio: ["ignore", "pipe", "pipe"],
    });
  let id = "";
  try {
    id = run("docker", "ps", "--quiet", "--filter", `publish=${port}`).trim();
  } catch {
    // The server runs without Docker.
  }
  return id
    ? run("docker", "exec", id, "pg_dump", ...args)
    : run("pg_dump", "-h", host, "-p", String(port), ...args);
}

const withoutKeys = (text: string) => text.replace(/^\\(un)?restrict .*$/gm, "\\$1restrict");

/** Without extensions. The superuser migrates, because a dump comments on its extensions. */
async function createEmpty(): Promise<TestDatabase> {
  const db = await createDatabase();
  const { superuser: user, password } = inject("server");
  const { owner: _, passwordFile = "", ...database } = db.settings.database;
  await db.query("drop extension vector; drop extension pgcrypto");
  writeFileSync(passwordFile, password);
  return { ...db, settings: { ...db.settings, database: { ...database, user, passwordFile } } };
}

const RICH = `
create sequence s start 5 increment 3; select nextval('s');
create type mood as enum ('a', 'b;c');
create table docs (id bigint generated always as identity primary key, body text, m mood, embedding vector(3), raw bytea, n numeric default 1.5);
insert into docs (body, m, embedding, raw) values
  (E'tab\\there', 'a', '[1,2,3]', '\\x00ff'), (E'back\\\\slash \\\\. \\\\N', 'b;c', null, null), (E'two\\nlines\\r\\n', null, '[0,0,1]', null),
  ('it''s; "quoted" $$', 'a', null, null), ('é 😀 \u2028', null, null, null), ('-- migrate:down', null, null, null), ('commit;', null, null, null), ('', null, null, null);
create table single (a text); insert into single values ('-- migrate:down'), (E'\\\\restrict x'), (E'\\\\.'), ('/*'), (''), (null), ('drop table docs;');
create table empty (a int);
create index on docs using hnsw (embedding vector_l2_ops);
create function f() returns text language plpgsql as $x$ begin -- it's
/*
\\restrict fake
*/ return 'copy docs from stdin;
\\.
'; end $x$`;

test.skipIf(!inject("server").hasVector)(
  "a dump of pg_dump is a migration: the two databases are equal, and an error in its rows leaves nothing",
  async () => {
    const source = await createDatabase();
    const { owner = "" } = source.settings.database;
    await source.query("drop extension pgcrypto");
    await source.query(`begin; set local role ${owner}; ${RICH}; commit`);
    const target = await createEmpty();
    try {
      const text = dump(source);
      expect(text).toMatch(/^COPY public.docs .* FROM stdin;$/m);
      const lines = text.split("\n");
      const at = lines.findIndex((line) => /^6\t-- migrate:down/.test(line));
      expect(at).toBeGreaterThan(0);
      target.write("0001_dump.sql", lines.with(at, "6\tx\tno mood\t\\N\t\\N\t1.5").join("\n"));
      const error = await up(target).catch((e) => e);
      expect(error.message).toMatch(
        new RegExp(`0001_dump.sql:${at + 1}: invalid input value for enum .*\\(SQLSTATE 22P02\\)`),
      );
      expect(error.failure).toMatchObject({ line: at + 1, column: null, sqlstate: "22P02" });
      expect(await target.query("select to_regclass('docs') as t, to_regclass('s') as s")).toEqual([
        { t: null, s: null },
      ]);
      target.write("0001_dump.sql", text);
      expect((await up(target)).applied).toHaveLength(1);
      expect(withoutKeys(dump(target))).toBe(withoutKeys(text));
    } finally {
      await target.drop();
      await source.query(`reassign owned by ${owner} to postgres`).catch(() => {});
      await source.drop();
    }
  },
);

test("the rows of a down part run too, and an error behind the rows has its place", async () => {
  const db = await createDatabase();
  try {
    const down =
      '-- migrate:down\r\nCOPY t FROM STDIN (FORMAT csv, HEADER);\r\na\r\n"3"\r\n\\.\r\n';
    const write = (last: string) =>
      db.write("0001_a.sql", `create table t (a int);\ncopy t from stdin;\n1\n\\.\n${last}`);
    write("/* 😀 */ select absent;");
    await expect(up(db)).rejects.toThrow(/0001_a.sql:5:16: column "absent" does not exist/);
    db.write("0001_a.sql", "create table t (a int);\ncopy absent from stdin;\n1\n\\.\n");
    await expect(up(db)).rejects.toThrow(/0001_a.sql:2:1: relation "absent" does not exist/);
    write(down);
    await up(db);
    await undoApplied(db.settings, options);
    expect(await db.query("select array_agg(a) as a from t")).toEqual([{ a: [1, 3] }]);
  } finally {
    await db.drop();
  }
});

test("a dump of more than 8 MB sends its rows from the file, an error names its line and leaves nothing", async () => {
  const db = await createDatabase();
  const path = join(db.folder, "0001_big.sql");
  const rows = 60_000;
  const write = (bad: string) => {
    writeFileSync(
      path,
      "\\restrict abc\r\n\ncreate table t (id int, b text);\ncopy t from stdin;\n",
    );
    const lines = Array.from(
      { length: rows },
      (_, i) => `${i}\t-- migrate:down ${"y;'".repeat(60)}`,
    );
    appendFileSync(path, `${lines.join("\n")}\n${bad}\\.\ncopy t from stdin;\n\\.\n`);
    appendFileSync(
      path,
      "copy t (id) from stdin (format csv);\n7\n\\.\ninsert into t values (8);\n\\unrestrict abc\n",
    );
  };
  try {
    write("x\ty\n");
    await expect(up(db)).rejects.toThrow(
      new RegExp(`0001_big.sql:${rows + 5}: invalid input syntax`),
    );
    expect(await db.query("select to_regclass('t') as t")).toEqual([{ t: null }]);
    write("");
    expect(await up(db)).toMatchObject({ applied: [{ statements: 5 }] });
    expect(await db.query("select count(*)::int as n, count(b)::int as b from t")).toEqual([
      { n: rows + 2, b: rows },
    ]);
    writeFileSync(
      join(db.folder, "0002_open.sql"),
      `${"-- x\n".repeat(LARGE_BYTES / 5)}\ncopy t from stdin;\n1\n`,
    );
    await expect(up(db)).rejects.toThrow(/the rows after COPY ... FROM stdin have no end/);
    writeFileSync(
      join(db.folder, "0002_open.sql"),
      `${"-- x\n".repeat(LARGE_BYTES / 5)}\ncopy t from stdin; select 1;\n1\n\\.\n`,
    );
    await expect(up(db)).rejects.toThrow(/"select 1;" is on the line of a COPY/);
    expect(await db.query("select count(*)::int as n from t")).toEqual([{ n: rows + 2 }]);
  } finally {
    await db.drop();
  }
});

test("a server that ends the connection among the rows keeps nothing of the file", async () => {
  const db = await createDatabase();
  const rows = Array.from({ length: 5_000 }, (_, i) => `${i}`).join("\n");
  try {
    db.write(
      "0001_a.sql",
      `create table t (a int);
create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.05); return new; end';
create trigger slow before insert on t for each row execute function slow();
copy t from stdin;\n${rows}\n\\.\n`,
    );
    const run = up(db).catch((error) => error);
    await db.session((client) =>
      until(async () => {
        const { rows: ended } = await client.query(
          "select pg_terminate_backend(pid) from pg_stat_progress_copy where datname = current_database() and tuples_processed > 3",
        );
        return ended.length > 0;
      }),
    );
    expect((await run).message).toMatch(/the file was rolled back completely/);
    expect(await db.query("select to_regclass('t') as t")).toEqual([{ t: null }]);
  } finally {
    await db.drop();
  }
});

test("the rows of COPY run on the embedded engine", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-files-"));
  const text =
    "\\restrict a\ncreate table t (a int);\ncopy t from stdin;\n1\n2\n\\.\nselect 1;\ncopy t from stdin;\n3\n\\.\n";
  try {
    await withEmbedded(folder, async (settings, database) => {
      writeFileSync(join(folder, "0001_a.sql"), text.replace("3", "x"));
      await expect(applyPending(settings, options)).rejects.toThrow(/0001_a.sql:9: invalid input/);
      expect((await database.query("select to_regclass('t') as t")).rows).toEqual([{ t: null }]);
      writeFileSync(join(folder, "0001_a.sql"), text);
      await applyPending(settings, options);
      expect((await database.query("select sum(a)::int as n from t")).rows).toEqual([{ n: 6 }]);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
