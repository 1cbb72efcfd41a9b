import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PGlite as Database, Extensions } from "@electric-sql/pglite";
import type { Client } from "pg";
import { withSession } from "../connect/session.ts";
import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";

export interface ScratchRequirements {
  extensions: { name: string; schema: string }[];
  /** Created first: files grant to them. */
  roles: string[];
}

/**
 * A PostgreSQL in this process's memory, behind a socket in a private folder: whatever a migration
 * does there ends with it, and it has no network to reach anything else.
 */
export async function withScratchDatabase<T>(
  live: Settings,
  needs: ScratchRequirements,
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  const { migrations } = live;
  const given = process.env.PGSTEAD_SCRATCH;
  if (given) return withSettingsFromAddress(given, migrations, (empty) => withCopy(empty, use));
  const memory = await import("@electric-sql/pglite").catch(isMissing);
  if (!memory) {
    // In the agent, which has the programs of the stack's own server instead.
    const { withDatabaseInAgent } = await import("./database-in-agent.ts");
    return withDatabaseInAgent(live, preparation(needs), use);
  }
  const { SharedSession } = await import("../embedded/shared-session.ts");
  const database = await open(memory.PGlite, needs);
  const folder = mkdtempSync(join(tmpdir(), "pgstead-scratch-"));
  const session = new SharedSession(database as never, async () => database as never);
  const server = createServer((socket) => session.accept(socket));
  try {
    await new Promise<void>((resolve) => server.listen(join(folder, ".s.PGSQL.5432"), resolve));
    return await use({
      stack: "scratch",
      engine: "embedded",
      database: { host: folder, port: 5432, name: "postgres", user: "postgres" },
      migrations,
      checks: [],
    });
  } finally {
    server.close();
    await session.drain();
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Of an empty database that somebody set aside, for what the one in memory cannot do: a copy a use,
 * which takes its extensions along and leaves it empty.
 */
async function withCopy<T>(empty: Settings, use: (settings: Settings) => Promise<T>): Promise<T> {
  const { name } = empty.database;
  const options = { purpose: "scratch" };
  await withSession(empty, options, (client) => assertEmpty(client, name));
  const copy = `pgstead_scratch_${randomBytes(6).toString("hex")}`;
  return withSession(empty, { ...options, database: "postgres" }, async (client) => {
    await client.query(`create database ${copy} template ${client.escapeIdentifier(name)}`);
    try {
      return await use({ ...empty, database: { ...empty.database, name: copy } });
    } finally {
      await client.query(`drop database if exists ${copy} with (force)`);
    }
  });
}

/** Nothing but what extensions brought. */
async function assertEmpty(client: Client, name: string): Promise<void> {
  const { rows } = await client.query(
    `select oid::regclass::text as found from pg_class c
     where relnamespace::regnamespace::text !~ '^(pg_|information_schema$)'
       and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') limit 1`,
  );
  if (rows.length === 0) return;
  throw mistake(`PGSTEAD_SCRATCH must name an empty database, and "${name}" has ${rows[0].found}`);
}

/**
 * Another database by its address, with the password where settings have it: in a file. It may come
 * from PGPASSWORD, which unlike an argument is not for everyone to see.
 */
export async function withSettingsFromAddress<T>(
  address: string,
  migrations: Settings["migrations"],
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  const url = parseAddress(address);
  const folder = mkdtempSync(join(tmpdir(), "pgstead-scratch-"));
  const passwordFile = join(folder, "password");
  const password = decodeURIComponent(url.password) || (process.env.PGPASSWORD ?? "");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  const database = {
    host: url.searchParams.get("host") ?? url.hostname,
    port: Number(url.port || url.searchParams.get("port") || 5432),
    name: url.pathname.slice(1),
    user: decodeURIComponent(url.username) || "postgres",
    passwordFile,
  };
  try {
    return await use({ stack: "scratch", engine: "docker", database, migrations, checks: [] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function parseAddress(address: string): URL {
  try {
    const url = new URL(address);
    if (url.pathname.length > 1) return url;
  } catch {
    // Told below, without the address: it may hold a password.
  }
  throw mistake(
    "the address of a database looks like postgres://user@host:5432/name; its password may come from PGPASSWORD",
  );
}

function isMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_MODULE_NOT_FOUND") throw error;
}

async function open(Memory: typeof Database, needs: ScratchRequirements): Promise<Database> {
  const loaded: Extensions = {};
  for (const { name } of needs.extensions) loaded[name] = await load(name);
  const database = await Memory.create({ extensions: loaded });
  for (const statement of preparation(needs)) await database.exec(statement);
  return database;
}

function preparation({ extensions, roles }: ScratchRequirements): string[] {
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  return [
    ...roles.map((role) => `create role ${quote(role)}`),
    ...extensions.flatMap(({ name, schema }) => [
      `create schema if not exists ${quote(schema)}`,
      `create extension if not exists ${quote(name)} with schema ${quote(schema)} cascade`,
    ]),
  ];
}

async function load(name: string): Promise<Extensions[string]> {
  const word = name.replaceAll("-", "_");
  try {
    if (name === "vector") return (await import("@electric-sql/pglite-pgvector")).vector;
    const path = `@electric-sql/pglite/contrib/${word}`;
    return (await import(path))[word];
  } catch (error) {
    throw mistake(
      `the database uses the extension "${name}", which the in-memory PostgreSQL does not have; name an empty database that has it in PGSTEAD_SCRATCH=postgres://...`,
      error,
    );
  }
}
