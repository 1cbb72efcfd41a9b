import type { Client } from "pg";
import { isOlderVersion } from "../../config/version-order.ts";

interface Installed {
  installed: string | null;
  available: string;
}

/** In the stack's database: creates pgvector, or updates it to the image's version. */
export async function ensureVectorExtension(client: Client): Promise<string[]> {
  const vector = await readVectorVersions(client);
  if (vector?.installed) return updateIfOlder(client, vector);
  await client.query("create extension vector with schema public");
  return [`extension vector ${vector?.available ?? ""}`.trim()];
}

/** In a database that pgstead did not create: updates pgvector only where it exists. */
export async function updateVectorExtension(client: Client): Promise<string[]> {
  const vector = await readVectorVersions(client);
  return vector?.installed ? updateIfOlder(client, vector) : [];
}

async function readVectorVersions(client: Client): Promise<Installed | undefined> {
  const { rows } = await client.query<Installed>(
    `select installed_version as installed, default_version as available
     from pg_available_extensions where name = 'vector'`,
  );
  return rows[0];
}

async function updateIfOlder(client: Client, { installed, available }: Installed) {
  // After a return to an older image, the extension stays: pgvector has no downgrade script.
  if (!installed || !isOlderVersion(installed, available)) return [];
  await client.query("alter extension vector update");
  const where = `in "${client.database}"`;
  const stale = await findStaleIndexes(client, installed);
  return [
    `pgvector ${installed} to ${available} ${where}`,
    ...stale.map((index) => `index ${index} ${where} needs: REINDEX INDEX CONCURRENTLY ${index}`),
  ];
}

/** 0.8.3 and 0.8.4 fix bugs in vacuum. An HNSW index made before may still be damaged. */
const HNSW_FIXED_IN = "0.8.4";

async function findStaleIndexes(client: Client, from: string): Promise<string[]> {
  if (!isOlderVersion(from, HNSW_FIXED_IN)) return [];
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', nspname, relname) as name
     from pg_class join pg_am on pg_am.oid = relam join pg_namespace n on n.oid = relnamespace
     where amname = 'hnsw' and relkind = 'i' order by 1`,
  );
  return rows.map(({ name }) => name);
}
