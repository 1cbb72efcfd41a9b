import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import pg from "pg";
import { inject } from "vitest";
import type { Settings } from "../../operate/settings.ts";

/** A fresh database with the roles of a stack, and a folder for its migrations. */
export interface TestDatabase {
  settings: Settings;
  folder: string;
  /** Writes a file below the migrations folder; `null` removes it. */
  write(name: string, content: string | Uint8Array | null): void;
  /** Runs a statement as the superuser. */
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Opens a second session as the superuser while `use` runs. */
  session<T>(use: (client: pg.Client) => Promise<T>): Promise<T>;
  drop(): Promise<void>;
}

let count = 0;

export async function createDatabase(): Promise<TestDatabase> {
  const server = inject("server");
  const name = `t${process.pid}_${count++}`;
  const [owner, migrator] = [`${name}_owner`, `${name}_migrator`];
  const folder = mkdtempSync(join(tmpdir(), "pgstead-migrations-"));
  const passwordFile = join(folder, "..", `${name}.password`);
  writeFileSync(passwordFile, "migrator");
  await as(server, "postgres", async (client) => {
    await client.query(`create role ${owner}`);
    await client.query(
      `create role ${migrator} login password 'migrator' in role ${owner}, pg_read_all_stats`,
    );
    await client.query(`create database ${name} owner ${owner}`);
  });
  if (server.hasVector) {
    await as(server, name, (client) =>
      client.query("create extension vector; create extension pgcrypto"),
    );
  }
  const settings: Settings = {
    stack: "test",
    engine: "docker",
    database: { host: server.host, port: server.port, name, user: migrator, passwordFile, owner },
    migrations: { folder, files: "*", outOfOrder: "refuse", protected: false },
    checks: [],
  };
  return {
    settings,
    folder,
    write: (file, content) => writeInto(folder, file, content),
    query: (sql) => as(server, name, async (client) => (await client.query(sql)).rows),
    session: (use) => as(server, name, use),
    drop: async () => {
      rmSync(folder, { recursive: true, force: true });
      rmSync(passwordFile, { force: true });
      await as(server, "postgres", async (client) => {
        await client.query(`drop database if exists ${name} with (force)`);
        await client.query(`drop role if exists ${migrator}, ${owner}`);
      });
    },
  };
}

export function writeInto(folder: string, file: string, content: string | Uint8Array | null): void {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  if (content === null) rmSync(path, { recursive: true, force: true });
  else writeFileSync(path, content);
}

async function as<T>(
  { host, port, superuser: user, password }: ReturnType<typeof inject<"server">>,
  database: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ host, port, user, password, database });
  client.on("error", () => {});
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
