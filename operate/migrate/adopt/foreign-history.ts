import type { Client } from "pg";
import { mistake, refused } from "../../error.ts";

export const tools = ["alembic", "golang-migrate", "dbmate", "custom"] as const;
export type Tool = (typeof tools)[number];

export interface CustomTable {
  table?: string | undefined;
  versionColumn?: string | undefined;
  checksumColumn?: string | undefined;
}

/** What another tool says has been applied. */
export interface ForeignHistory {
  /** Qualified, as SQL writes it. */
  table: string;
  entries: { version: string; checksum: string | null }[];
}

const KNOWN_TABLES: Record<Exclude<Tool, "custom">, { table: string; column: string }> = {
  alembic: { table: "alembic_version", column: "version_num" },
  "golang-migrate": { table: "schema_migrations", column: "version" },
  dbmate: { table: "schema_migrations", column: "version" },
};

export async function readForeignHistory(
  client: Client,
  tool: Tool,
  custom: CustomTable,
): Promise<ForeignHistory> {
  const place = tool === "custom" ? requireCustomTable(custom) : KNOWN_TABLES[tool];
  const asked = custom.table ?? place.table;
  const { rows: found } = await client.query(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c
     join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)`,
    [asked],
  );
  const table: string | undefined = found[0]?.name;
  if (!table) {
    throw mistake(
      `there is no table "${asked}" in "${client.database}", which ${tool} would have; name it with --table schema.name`,
    );
  }
  if (tool === "golang-migrate") await assertClean(client, table);
  const quote = (name: string) => client.escapeIdentifier(name);
  const checksum = custom.checksumColumn ? `${quote(custom.checksumColumn)}::text` : "null";
  const column = custom.versionColumn ?? place.column;
  const { rows } = await client.query(
    `select ${quote(column)}::text as version, ${checksum} as checksum from ${table} order by 1`,
  );
  return { table, entries: rows };
}

function requireCustomTable({ table, versionColumn }: CustomTable) {
  if (table && versionColumn) return { table, column: versionColumn };
  throw mistake("--from custom needs --table NAME and --version-column NAME");
}

async function assertClean(client: Client, table: string): Promise<void> {
  const { rows } = await client.query(`select version::text from ${table} where dirty`);
  if (rows.length === 0) return;
  throw refused(
    `golang-migrate left version ${rows[0].version} dirty: it failed half-way and nobody knows how far it came. Make the schema what it was before or after that file, record which with "migrate force VERSION", and adopt then`,
  );
}
