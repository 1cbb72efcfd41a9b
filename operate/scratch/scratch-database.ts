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
  /** Created first, because migrations grant rights to them. */
  roles: string[];
}

/**
 * Gives `use` an empty database: in the server of PGSTEAD_SCRATCH, in this process's memory, or in
 * the agent in a scratch server. The database in memory listens on a socket in a private folder and
 * has no network, so a migration cannot change anything outside it.
 */
export async function withScratchDatabase<T>(
  live: Settings,
  requirements: ScratchRequirements,
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  const { migrations } = live;
  const address = process.env.PGSTEAD_SCRATCH;
  if (address)
    return withSettingsFromAddress(address, migrations, (empty) => withDatabaseCopy(empty, use));
  const memory = await import("@electric-sql/pglite").catch(ignoreMissingModule);
  if (!memory) {
    // The agent has no PGlite, but it has the programs of the stack's own server.
    const { withDatabaseInAgent } = await import("./database-in-agent.ts");
    return withDatabaseInAgent(live, buildStatements(requirements), use);
  }
  const { SharedSession } = await import("../embedded/shared-session.ts");
  const database = await openInMemory(memory.PGlite, requirements);
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
 * Copies the empty database that the user names, with its extensions, and drops the copy after `use`.
 * It serves databases whose extensions PGlite does not have.
 */
async function withDatabaseCopy<T>(
  empty: Settings,
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
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

/** Objects of extensions do not count. */
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
 * Settings of another database. Settings name a file with the password, so a temporary one is written.
 * The password may come from PGPASSWORD: other users cannot read it there, as they can in an argument.
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
    // The message below does not quote the address: it may hold a password.
  }
  throw mistake(
    "the address of the database is not valid; write it as postgres://user@host:5432/name, with the password in the address or in PGPASSWORD",
  );
}

function ignoreMissingModule(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_MODULE_NOT_FOUND") throw error;
}

async function openInMemory(
  PGlite: typeof Database,
  requirements: ScratchRequirements,
): Promise<Database> {
  const extensions: Extensions = {};
  for (const { name } of requirements.extensions) extensions[name] = await loadExtension(name);
  const database = await PGlite.create({ extensions });
  for (const statement of buildStatements(requirements)) await database.exec(statement);
  return database;
}

function buildStatements({ extensions, roles }: ScratchRequirements): string[] {
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  return [
    ...roles.map((role) => `create role ${quote(role)}`),
    ...extensions.flatMap(({ name, schema }) => [
      `create schema if not exists ${quote(schema)}`,
      `create extension if not exists ${quote(name)} with schema ${quote(schema)} cascade`,
    ]),
  ];
}

async function loadExtension(name: string): Promise<Extensions[string]> {
  const module = name.replaceAll("-", "_");
  try {
    if (name === "vector") return (await import("@electric-sql/pglite-pgvector")).vector;
    const path = `@electric-sql/pglite/contrib/${module}`;
    return (await import(path))[module];
  } catch (error) {
    throw mistake(
      `the database uses the extension "${name}", which the in-memory PostgreSQL does not have; set PGSTEAD_SCRATCH=postgres://... to an empty database that has it`,
      error,
    );
  }
}
