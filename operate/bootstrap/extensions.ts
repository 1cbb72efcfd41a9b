import type { Client } from "pg";

/** Needs a superuser, which migrations are not. */
export async function setExtensions(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ installed: string | null; available: string }>(
    `select installed_version as installed, default_version as available
     from pg_available_extensions where name = 'vector'`,
  );
  const [vector] = rows;
  if (vector?.installed === vector?.available) return [];
  if (vector?.installed) {
    await client.query("alter extension vector update");
    return [`pgvector ${vector.installed} to ${vector.available}`];
  }
  await client.query("create extension vector");
  return [`extension vector ${vector?.available ?? ""}`.trim()];
}
