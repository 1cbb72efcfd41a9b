import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PGlite as Database, Extensions } from "@electric-sql/pglite";
import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";

export interface ScratchNeeds {
  extensions: { name: string; schema: string }[];
  /** Created first: files grant to them. */
  roles: string[];
}

/**
 * A PostgreSQL in this process's memory, behind a socket in a private folder: whatever a migration
 * does there ends with it, and it has no network to reach anything else.
 */
export async function withScratch<T>(
  migrations: Settings["migrations"],
  needs: ScratchNeeds,
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  // An empty database that somebody set aside, for what the one in memory cannot do.
  const given = process.env.PGSTEAD_SCRATCH;
  if (given) return settingsOf(given, migrations, use);
  const { SharedSession } = await import("../embedded/wire.ts");
  const database = await open(needs);
  const folder = mkdtempSync(join(tmpdir(), "pgstead-scratch-"));
  const session = new SharedSession(database as never, async () => database as never);
  const server = createServer((socket) => session.accept(socket));
  try {
    await new Promise<void>((resolve) => server.listen(join(folder, ".s.PGSQL.5432"), resolve));
    return await use({
      stack: "scratch",
      engine: "embedded",
      database: { host: folder, port: 5432, name: "postgres", user: "postgres" },
      embedded: { folder },
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

/** Another database by its address, with the password where settings have it: in a file. */
export async function settingsOf<T>(
  address: string,
  migrations: Settings["migrations"],
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  const url = new URL(address);
  const folder = mkdtempSync(join(tmpdir(), "pgstead-scratch-"));
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, decodeURIComponent(url.password), { mode: 0o600 });
  const database = {
    host: url.hostname,
    port: Number(url.port || 5432),
    name: url.pathname.slice(1),
    user: decodeURIComponent(url.username),
    passwordFile,
  };
  try {
    return await use({ stack: "scratch", engine: "docker", database, migrations, checks: [] });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function open({ extensions, roles }: ScratchNeeds): Promise<Database> {
  const { PGlite } = await import("@electric-sql/pglite");
  const loaded: Extensions = {};
  for (const { name } of extensions) loaded[name] = await load(name);
  const database = await PGlite.create({ extensions: loaded });
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  for (const role of roles) await database.exec(`create role ${quote(role)}`);
  for (const { name, schema } of extensions) {
    await database.exec(
      `create schema if not exists ${quote(schema)};
       create extension if not exists ${quote(name)} with schema ${quote(schema)} cascade`,
    );
  }
  return database;
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
