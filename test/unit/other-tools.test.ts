import { expect, test } from "vitest";
import { describeAdoption } from "../../operate/migrate/history/find-other-tool.ts";
import { KNOWN_TOOLS } from "../../operate/migrate/history/known-tools.ts";

const cases: [string, string[], string][] = [
  ["schema_migrations", ["version"], "--from dbmate"],
  ["schema_migrations", ["version", "dirty"], "--from golang-migrate"],
  [
    "schema_migrations",
    ["file"],
    "--from custom --table public.schema_migrations --version-column file",
  ],
  ["alembic_version", ["version_num"], "--from alembic"],
  ["flyway_schema_history", ["script"], "--from flyway"],
  ["_prisma_migrations", ["migration_name"], "--from prisma"],
  ["goose_db_version", ["version_id"], "--from goose"],
  ["__diesel_schema_migrations", ["version"], "--from diesel"],
  ["_sqlx_migrations", ["version"], "--from sqlx"],
  ["knex_migrations", ["name"], "--from knex"],
  ["django_migrations", ["name"], "--from django"],
  ["gorp_migrations", ["id"], "--from sql-migrate"],
  ["databasechangelog", ["id"], "--from liquibase"],
];

test.each(cases)("table %s (%j) is adopted with %s", (name, columns, flags) => {
  expect(describeAdoption({ schema: "public", name, columns, readable: true })).toBe(flags);
});

test("each table of a known tool has a case", () => {
  const tables = new Set(cases.map(([name]) => name));
  expect(Object.values(KNOWN_TOOLS).map(({ table }) => tables.has(table))).not.toContain(false);
});
