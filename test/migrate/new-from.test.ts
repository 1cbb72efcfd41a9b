import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, inject, test, vi } from "vitest";
import { applyPending } from "../../operate/migrate/run/apply-pending.ts";
import { undoApplied } from "../../operate/migrate/run/undo-applied.ts";
import { verify } from "../../operate/migrate/schema/find-drift.ts";
import { createFromSchema } from "../../operate/migrate/schema/new-from.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";

let db: TestDatabase;
const options = { toolVersion: "test", waitMs: 20_000 };

beforeEach(async () => {
  db = await createDatabase();
  return () => db.drop();
});

test("new --from writes the difference to a wanted schema, with a list to review, and it works both ways", async () => {
  db.write(
    "0001_a.sql",
    "create table users (id bigint generated always as identity primary key, email text, old int);",
  );
  const wanted = join(db.folder, "..", `${db.settings.database.name}.sql`);
  writeFileSync(
    wanted,
    `\\restrict abc
     create table users (id bigint generated always as identity primary key, email text not null default '', constraint email_key unique (email));
     create table docs (id bigint generated always as identity primary key, user_id bigint not null references users on delete cascade, embedding vector(3), size int check (size > 0));
     create index docs_v on docs using hnsw (embedding vector_l2_ops);
     create aggregate add_up (int) (sfunc = int4pl, stype = int);`,
  );
  await applyPending(db.settings, options);
  const { paths, left } = await createFromSchema(db.settings, "docs", wanted);
  expect(left).toEqual(["other aggregate public.add_up(integer) is missing"]);
  const [path = ""] = paths;
  const written = readFileSync(path, "utf8");
  expect(written).toMatch(/\[ \] foreign keys.*\n--\s+FOREIGN KEY \(user_id\).*CASCADE/);
  expect(written).toMatch(/drop column "old"/);
  await expect(applyPending(db.settings, options)).rejects.toThrow(
    /0002_docs.sql:1: write the SQL/,
  );
  writeFileSync(path, written.replace(/^-- migrate:todo.*\n/, ""));
  await applyPending(db.settings, options);
  expect((await verify(db.settings)).differences).toEqual([]);
  await undoApplied(db.settings, options);
  expect((await verify(db.settings)).differences).toEqual([]);
  await applyPending(db.settings, options);
  await expect(createFromSchema(db.settings, "again", wanted)).resolves.toMatchObject({
    left: [/add_up/].map(() => expect.stringContaining("add_up")),
  });
});

test("new --from a database writes what it has more, on a scratch server given in PGSTEAD_SCRATCH", async () => {
  const { host, port, superuser, password } = inject("server");
  const address = (name: string) => `postgres://${superuser}@${host}:${port}/${name}`;
  const [prototype, empty] = [await createDatabase(), await createDatabase()];
  const name = (one: TestDatabase) => one.settings.database.name;
  vi.stubEnv("PGPASSWORD", password);
  vi.stubEnv("PGSTEAD_SCRATCH", address(name(empty)));
  try {
    db.write("0001_a.sql", "create table a (id int primary key);");
    await applyPending(db.settings, options);
    await prototype.query(
      "create table a (id int primary key, note text); create index on a (note)",
    );
    const { paths, left } = await createFromSchema(db.settings, "note", address(name(prototype)));
    expect(left).toEqual([]);
    const written = readFileSync(paths[0]!, "utf8");
    expect(written).toMatch(/add column "note" text;\s+CREATE INDEX a_note_idx/);
    writeFileSync(paths[0]!, written.replace(/^-- migrate:todo.*\n/, ""));
    await applyPending(db.settings, options);
    expect((await verify(db.settings)).differences).toEqual([]);
    await expect(createFromSchema(db.settings, "x", address(name(prototype)))).rejects.toThrow(
      /make that schema already/,
    );

    // Both sides of a file's difference are copies of the empty database, which stays empty.
    const wanted = join(db.folder, "..", `${name(db)}-more.sql`);
    writeFileSync(wanted, "create table a (id int primary key, note text, more int);");
    const more = await createFromSchema(db.settings, "more", wanted);
    expect(readFileSync(more.paths[0]!, "utf8")).toMatch(
      /drop index[^;]*a_note_idx[\s\S]*"more" integer/,
    );
    writeFileSync(more.paths[0]!, "select 1;");
    expect(await empty.query("select from pg_database where datname ~ 'pgstead_scratch'")).toEqual(
      [],
    );
    await expect(createFromSchema(db.settings, "x", "postgres://u:secret@")).rejects.toThrow(
      /^the address of the database is not valid/,
    );
    await empty.query("create table no_longer_empty ()");
    await expect(verify(db.settings)).rejects.toThrow(
      /must name an empty database, .*no_longer_empty/,
    );
  } finally {
    vi.unstubAllEnvs();
    await prototype.drop();
    await empty.drop();
  }
});
