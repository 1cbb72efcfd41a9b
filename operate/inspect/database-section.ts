import { withClient } from "../connect/database.ts";
import type { Settings } from "../settings.ts";
import type { Section } from "./section.ts";

const QUERY = `
  SELECT current_setting('server_version') AS version,
         (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS pgvector,
         pg_database_size(current_database())::text AS bytes,
         pg_size_pretty(pg_database_size(current_database())) AS size`;

export async function readDatabaseSection(settings: Settings): Promise<Section> {
  const { rows } = await withClient(settings, { purpose: "status" }, (client) =>
    client.query<{ version: string; pgvector: string | null; bytes: string; size: string }>(QUERY),
  );
  const [{ version, pgvector, bytes, size }] = rows as [(typeof rows)[number]];
  return {
    title: "database",
    state: pgvector ? "ok" : "attention",
    lines: [
      `PostgreSQL ${version}, pgvector ${pgvector ?? "missing"}`,
      `"${settings.database.name}", ${size}`,
    ],
    data: { version, pgvector, bytes: Number(bytes) },
  };
}
