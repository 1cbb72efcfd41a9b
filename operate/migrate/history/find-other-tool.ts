import type { Client } from "pg";
import { refused } from "../../error.ts";
import { KNOWN_TOOLS, type KnownToolName } from "./known-tools.ts";

interface OtherTable {
  schema: string;
  name: string;
  columns: string[];
  readable: boolean;
}

const FIND_TABLES = `
select n.nspname::text as schema, c.relname::text as name,
  array(select a.attname::text from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
  pg_catalog.has_schema_privilege(n.oid, 'usage')
    and pg_catalog.has_table_privilege(c.oid, 'select') as readable
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and c.relname = any ($1::text[])
  and n.nspname not in ('pgstead', 'information_schema') and n.nspname !~ '^pg_'
order by n.nspname <> 'public', n.nspname, c.relname`;

/** Refuses to run files that another tool has run: a first run would fail half-way, or apply them twice. */
export async function assertNoOtherTool(client: Client): Promise<void> {
  const names = [...new Set(Object.values(KNOWN_TOOLS).map(({ table }) => table))];
  const { rows } = await client.query<OtherTable>(FIND_TABLES, [names]);
  for (const table of rows) {
    const full = [table.schema, table.name].map((part) => client.escapeIdentifier(part)).join(".");
    // An empty table is one of a tool that has run nothing. One that cannot be read may have rows.
    const isEmpty =
      table.readable && (await client.query(`select from ${full} limit 1`)).rowCount === 0;
    if (isEmpty) continue;
    throw refused(
      `"${client.database}" has no history of pgstead, but another tool has migrated it: table ${full}
to record what that tool has applied: "pgstead migrate adopt ${describeAdoption(table)}"
to leave its history aside: "pgstead migrate stamp VERSION" records the files up to VERSION without running them, and "pgstead migrate run FILE" runs the first one`,
    );
  }
}

/** The flags for `adopt`. */
export function describeAdoption({ schema, name, columns }: OtherTable): string {
  const table = schema === "public" ? "" : ` --table ${schema}.${name}`;
  const tool = chooseTool(name, columns);
  if (tool) return `--from ${tool}${table}`;
  return `--from custom --table ${schema}.${name} --version-column ${columns[0] ?? "COLUMN"}`;
}

function chooseTool(name: string, columns: string[]): KnownToolName | undefined {
  if (name === "schema_migrations") {
    if (!columns.includes("version")) return undefined;
    return columns.includes("dirty") ? "golang-migrate" : "dbmate";
  }
  const names = Object.keys(KNOWN_TOOLS) as KnownToolName[];
  return names.find((tool) => KNOWN_TOOLS[tool].table === name);
}
