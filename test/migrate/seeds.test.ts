import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withClient } from "../../operate/connect/database.ts";
import type { Settings } from "../../operate/settings.ts";
import { createDatabase } from "../support/database.ts";
import { withEmbedded } from "../support/embedded.ts";
import { runPgstead } from "../support/pgstead-child.ts";

/** Every line of the table in docs/migrations.md, typed as people type it, on both kinds of server. */
const engines: [string, (use: (settings: Settings) => Promise<void>) => Promise<void>][] = [
  [
    "a real server",
    async (use) => {
      const db = await createDatabase();
      await use(db.settings).finally(() => db.drop());
    },
  ],
  [
    "the embedded engine",
    async (use) => {
      const folder = mkdtempSync(join(tmpdir(), "pgstead-seeds-"));
      await withEmbedded(folder, use).finally(() => rmSync(folder, { recursive: true }));
    },
  ],
];

test.each(engines)(
  "the migration flows of the table, on %s",
  async (_, withEngine) => {
    await withEngine(async (settings) => {
      const { folder } = settings.migrations;
      const write = (name: string, sql: string) => writeFileSync(join(folder, name), sql);
      const type = async (line: string, code = 0) => {
        const ended = await runPgstead(settings, ["migrate", ...line.split(" ")]);
        expect(ended, `pgstead migrate ${line}\n${ended.stdout}${ended.stderr}`).toMatchObject({
          code,
        });
        return ended.stdout + ended.stderr;
      };

      write(
        "0001_users.sql",
        "create table users (id int primary key);\n-- migrate:down\ndrop table users;\n",
      );
      write("0002_docs.sql", "create table docs (id int);\n-- migrate:down\ndrop table docs;\n");
      write("0003_audit.sql", "create table audit (id int);\n-- migrate:down\ndrop table audit;\n");

      // alembic history --verbose, run_migrations.py --list, --dry-run
      expect(await type("pending", 2)).toContain("0003_audit  pending");
      expect(await type("list", 2)).toContain("0001_users  pending");
      // alembic upgrade +2, REVISION, head; current; history
      expect(await type("up 2")).toContain("now at 0002_docs");
      expect(await type("up --to 0003_audit")).toContain("applied 1");
      expect(await type("up")).toContain("nothing to apply");
      expect(await type("current")).toBe("0003_audit\n");
      expect(await type("history")).toMatch(/0003_audit {2}applied/);
      // alembic downgrade -1, REVISION, base
      expect(await type("down")).toContain("now at 0002_docs");
      expect(await type("down --to 0001_users")).toContain("now at 0001_users");
      expect(await type("down --to base")).toContain("now at the beginning");
      expect(await type("current")).toBe("base\n");
      await type("up");
      // run_migrations.py --file F, --force
      write("0004_seed.sql", "insert into users values (1) on conflict do nothing;");
      expect(await type("run 0004_seed.sql")).toContain("ran 0004_seed: 1 statements");
      expect(await type("run 0004_seed.sql", 4)).toContain("--force runs it again");
      expect(await type("run 0004_seed.sql --force")).toContain("ran 0004_seed");
      // alembic check
      expect(await type("verify")).toContain("no drift");
      // pg_dump --schema-only, kept in the repository
      const schema = join(folder, "..", `${settings.database.name}-${process.pid}.schema.sql`);
      await type(`schema --out ${schema}`);
      expect(await type("schema")).toBe(readFileSync(schema, "utf8"));
      expect(readFileSync(schema, "utf8")).toMatch(/create table public\.users \(\n\s+id integer/i);
      expect(await type(`schema --check ${schema}`)).toContain("is up to date");
      writeFileSync(schema, "-- another schema\n");
      expect(await type(`schema --check ${schema}`, 2)).toContain("differs");
      rmSync(schema);
      // alembic revision -m, and --autogenerate
      expect(await type("new add_email")).toContain("0005_add_email.sql");
      expect(await type("up", 1)).toContain("write the SQL");
      rmSync(join(folder, "0005_add_email.sql"));
      const wanted = join(folder, "..", `${settings.database.name}-${process.pid}.sql`);
      writeFileSync(
        wanted,
        "create table users (id int primary key, email text); create table docs (id int); create table audit (id int);",
      );
      expect(await type(`new add_email --from ${wanted}`)).toContain("0005_add_email.sql");
      const written = join(folder, "0005_add_email.sql");
      writeFileSync(written, readFileSync(written, "utf8").replace(/^-- migrate:todo.*\n/, ""));
      expect(await type("up")).toContain("now at 0005_add_email");
      rmSync(wanted);
      // alembic stamp head
      write("0006_by_hand.sql", "create table by_hand ();");
      expect(await type("stamp head")).toContain("0006_by_hand");
      expect(await type("up")).toContain("nothing to apply");

      await adoptCustom(settings, type);
    });
  },
  180_000,
);

/** Seed 000: file names and checksums in a table of its own; taken over without running anything. */
async function adoptCustom(
  settings: Settings,
  type: (line: string, code?: number) => Promise<string>,
) {
  const folder = join(settings.migrations.folder, "scripts");
  mkdirSync(folder);
  settings.migrations = { ...settings.migrations, folder };
  const sql = "create table billing (id int);";
  const name = "migrate_2026_05_07_billing.sql";
  writeFileSync(join(folder, name), sql);
  await withClient(settings, { purpose: "test", userPath: true }, async (client) => {
    await client.query("drop schema pgstead cascade").catch(async (error) => {
      // The history is the owner's.
      if (!settings.database.owner) throw error;
      await client.query(`set role ${settings.database.owner}; drop schema pgstead cascade`);
    });
    if (settings.database.owner) await client.query(`set role ${settings.database.owner}`);
    await client.query(`${sql} create table schema_migrations (filename text, checksum text)`);
    const checksum = createHash("sha256").update(sql).digest("hex");
    await client.query("insert into schema_migrations values ($1, $2)", [name, checksum]);
  });
  const line =
    "adopt --from custom --table schema_migrations --version-column filename --checksum-column checksum";
  expect(await type(line, 2)).toContain("would record as applied: migrate_2026_05_07_billing");
  expect(await type(`${line} --yes`)).toContain("recorded as applied: migrate_2026_05_07_billing");
  expect(await type("list")).toMatch(/migrate_2026_05_07_billing {2}applied .* adopt/);
  expect(existsSync(join(folder, name))).toBe(true);
}
