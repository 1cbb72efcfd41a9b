import { expect, test } from "vitest";
import type { Settings } from "../../operate/settings.ts";
import { createDatabase } from "../support/database.ts";
import { runPgstead } from "../support/pgstead-child.ts";
import { startPooler } from "../support/pooler.ts";

type Options = Parameters<typeof startPooler>[2];

/** `migrate up` through a pooler, and the tables that it has made. */
async function migrateThrough(options: (database: string) => Options) {
  const db = await createDatabase();
  db.write("0001_a.sql", "create table a ()");
  const { database } = db.settings;
  const pooler = await startPooler(db.settings, "migrator", options(database.name));
  try {
    const settings: Settings = { ...db.settings, database: { ...database, port: pooler.port } };
    const ended = await runPgstead(settings, ["migrate", "up"]);
    const [row] = await db.query("select to_regclass('a') is not null as made");
    return { ...ended, made: row?.made, port: pooler.port };
  } finally {
    await pooler.close();
    await db.drop();
  }
}

const all: [string, (database: string) => Options][] = (
  ["last used first", "in turn"] as const
).flatMap((order): [string, (database: string) => Options][] => [
  [`of all databases, ${order}`, () => ({ order, byTransaction: () => true })],
  [
    `of this database only, ${order}`,
    (name) => ({ order, byTransaction: (database) => database === name }),
  ],
]);

test.each(all)("a pooler in transaction mode %s is refused", async (_which, options) => {
  const { code, stderr, made, port } = await migrateThrough(options);
  expect([code, made], stderr).toEqual([3, false]);
  expect(stderr).toContain(
    `127.0.0.1:${port} is a pooler in transaction mode, where advisory locks do not work; connect to the server itself`,
  );
});

test("a pooler in session mode is not refused", async () => {
  const { code, stderr, made } = await migrateThrough(() => ({
    order: "last used first",
    byTransaction: () => false,
  }));
  expect([code, made], stderr).toEqual([0, true]);
});
