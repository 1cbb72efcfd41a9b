import type { Client } from "pg";
import { resolveInUserPath } from "../../connect/database.ts";
import { mistake, refused } from "../../error.ts";
import { KNOWN_TOOLS, type KnownTool, type KnownToolName } from "../history/known-tools.ts";

export const tools = [...(Object.keys(KNOWN_TOOLS) as KnownToolName[]), "custom"] as const;
export type Tool = (typeof tools)[number];

/** Tools whose migrations are not SQL files. */
export const hasPrograms = (tool: Tool) =>
  tool !== "custom" && Boolean((KNOWN_TOOLS[tool] as KnownTool).hasPrograms);

export interface CustomTable {
  table?: string | undefined;
  versionColumn?: string | undefined;
  checksumColumn?: string | undefined;
}

/** The versions that another tool has recorded as applied. */
export interface ForeignHistory {
  /** With its schema, quoted for SQL. */
  table: string;
  entries: { version: string; checksum: string | null }[];
}

export async function readForeignHistory(
  client: Client,
  tool: Tool,
  custom: CustomTable,
): Promise<ForeignHistory> {
  const usual: KnownTool = tool === "custom" ? requireCustomTable(custom) : KNOWN_TOOLS[tool];
  const wanted = custom.table ?? usual.table;
  const { rows: found } = await client.query(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c
     join pg_namespace n on n.oid = c.relnamespace where c.oid = $1`,
    [await resolveInUserPath(client, wanted)],
  );
  const table: string | undefined = found[0]?.name;
  if (!table) {
    throw mistake(
      `"${client.database}" has no table "${wanted}" of ${tool}; give its name with --table schema.name`,
    );
  }
  if (tool === "golang-migrate") await assertClean(client, table);
  const quote = (name: string) => client.escapeIdentifier(name);
  const checksumColumn = custom.checksumColumn ?? usual.checksum;
  const checksum = checksumColumn ? `${quote(checksumColumn)}::text` : "null";
  const column = custom.versionColumn ?? usual.column;
  const { rows } = await client.query(
    `select ${quote(column)}::text as version, ${checksum} as checksum from ${table} where ${usual.where ?? "true"} order by 1`,
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
    `golang-migrate left version ${rows[0].version} dirty: the file failed, and nothing shows how much of it ran. Bring the schema to the state before or after that file, record that version with "migrate force VERSION", then adopt again`,
  );
}
