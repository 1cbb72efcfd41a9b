import { readFileSync } from "node:fs";
import type { Client } from "pg";
import { createDatabaseUrl } from "../../../config/database-url.ts";
import { withSession } from "../../connect/session.ts";
import { mistake } from "../../error.ts";
import { withScratchDatabase, withSettingsFromAddress } from "../../scratch/scratch-database.ts";
import type { Settings } from "../../settings.ts";
import { readScript } from "../files/copy-rows.ts";
import { createMigration, type NewMigration } from "../files/create-migration.ts";
import { renderReview } from "../files/review.ts";
import { differences } from "./find-drift.ts";
import { readNeeds, replay } from "./replay.ts";
import type { SchemaObject } from "./schema-object.ts";
import { readSchema } from "./snapshot.ts";

export interface NewFromSchema extends NewMigration {
  /** What still differs after the file has run, and what could not be written. */
  left: string[];
}

const session = { purpose: "migrate new" };

/**
 * Writes a migration from the files' schema to a wanted schema. A library compares the two; each of
 * its statements is run on the replayed files, and what still differs then is named.
 */
export async function createFromSchema(
  settings: Settings,
  name: string,
  from: string,
): Promise<NewFromSchema> {
  return replay(settings, undefined, async (scratch) =>
    withWanted(settings, from, async (wanted) => {
      const statements = await diffStatements(scratch, wanted);
      const back = await diffStatements(wanted, scratch);
      const { done, failed } = await withSession(
        scratch,
        { ...session, userPath: true },
        (client) => runEach(client, statements),
      );
      const left = [...failed, ...(await describeRest(wanted, scratch))];
      if (done.length === 0 && left.length === 0) {
        throw mistake("the files make that schema already; there is nothing to write");
      }
      const up = `${renderReview(done, left)}\n${done.join("\n\n")}\n`;
      return { ...createMigration(settings, name, { up, down: `${back.join("\n\n")}\n` }), left };
    }),
  );
}

/** `from` is the address of a database, which is only read, or a file, which runs in a scratch database. */
async function withWanted<T>(
  settings: Settings,
  from: string,
  use: (wanted: Settings) => Promise<T>,
): Promise<T> {
  if (/^postgres(ql)?:\/\//.test(from))
    return withSettingsFromAddress(from, settings.migrations, use);
  const sql = readWanted(from);
  const needs = await withSession(settings, session, readNeeds);
  return withScratchDatabase(settings, needs, async (wanted) => {
    await withSession(wanted, { ...session, userPath: true }, (client) => client.query(sql)).catch(
      (error) => {
        throw mistake(`${from}: ${error.message}`, error);
      },
    );
    return use(wanted);
  });
}

function readWanted(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw mistake(`cannot read the wanted schema: ${(error as Error).message}`, error);
  }
  const { sql, copies } = readScript(file, text);
  if (copies[0] === undefined) return sql;
  throw mistake(
    `${file}:${copies[0].line}: a wanted schema has no rows; write it with pg_dump --schema-only`,
  );
}

async function diffStatements(from: Settings, to: Settings): Promise<string[]> {
  const { run } = await import("@pgkit/migra");
  const { createClient } = await import("@pgkit/client");
  const [a, b] = [createClient(addressOf(from)), createClient(addressOf(to))];
  try {
    const options = { unsafe: true, ignoreExtensionVersions: true, excludeSchema: ["pgstead"] };
    const { statements } = await run(a as never, b as never, options as never);
    return [...statements].map((sql) => sql.trim()).filter((sql) => sql !== "");
  } finally {
    await Promise.all([a.end(), b.end()]);
  }
}

function addressOf({ database: { host, port, name, user, passwordFile } }: Settings): string {
  const password = passwordFile ? readFileSync(passwordFile, "utf8").trim() : "";
  return createDatabaseUrl({ user, password, host, port, database: name });
}

async function runEach(client: Client, statements: string[]) {
  const done: string[] = [];
  const failed: string[] = [];
  for (const sql of statements) {
    try {
      await client.query(sql);
      done.push(/;\s*$/.test(sql) ? sql : `${sql};`);
    } catch (error) {
      failed.push(`${sql.split("\n", 1)[0]} (${(error as Error).message})`);
    }
  }
  await client.query("reset all");
  return { done, failed };
}

async function describeRest(wanted: Settings, scratch: Settings): Promise<string[]> {
  const read = (one: Settings): Promise<SchemaObject[]> =>
    withSession(one, session, (client) => readSchema(client));
  const rest = differences(await read(wanted), await read(scratch));
  return rest.map(
    ({ what, kind, name }) => `${kind} ${name} is ${what === "extra" ? "left over" : what}`,
  );
}
