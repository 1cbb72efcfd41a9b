import type { Client } from "pg";
import { UNDEFINED_TABLE } from "../../connect/sqlstate.ts";
import { refused } from "../../error.ts";
import { readLayout } from "./history-table.ts";

/** One row of `pgstead.schema_migrations`. */
export interface HistoryRow {
  version: string;
  repeatable: boolean;
  state: "applying" | "applied" | "undone";
  checksumRaw: string;
  checksum: string;
  statementsDone: number;
  startedAt: string;
  finishedAt: string | null;
  durationMs: number | null;
  appliedBy: string;
  toolVersion: string;
  origin: "file" | "stamp" | "adopt";
  position: number;
  progress: unknown;
}

export interface History {
  layout: number;
  rows: Map<string, HistoryRow>;
}

const formatUtc = (column: string) =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`;

const COLUMNS = `
  version, repeatable, state, checksum_raw as "checksumRaw", checksum,
  statements_done as "statementsDone", ${formatUtc("started_at")} as "startedAt",
  ${formatUtc("finished_at")} as "finishedAt", duration_ms as "durationMs",
  applied_by as "appliedBy", tool_version as "toolVersion", origin,
  position::float8 as "position", progress`;

export async function readHistory(client: Client): Promise<History> {
  const layout = await readLayout(client);
  if (layout === 0) return { layout, rows: new Map() };
  const { rows } = await client
    .query<HistoryRow>(`select ${COLUMNS} from pgstead.schema_migrations order by position`)
    .catch((error) => {
      throw error.code === UNDEFINED_TABLE ? explainMissingTable(client, error) : error;
    });
  return { layout, rows: new Map(rows.map((row) => [row.version, row])) };
}

const explainMissingTable = ({ database }: Client, error: Error) =>
  refused(
    `the history of "${database}" has lost its table pgstead.schema_migrations; restore the table from a backup. To begin a new history, run "DROP SCHEMA pgstead CASCADE", then record what is applied with "pgstead migrate stamp"`,
    error,
  );
