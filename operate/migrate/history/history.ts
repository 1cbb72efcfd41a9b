import type { Client } from "pg";
import type { MigrationFile } from "../files/find-files.ts";
import { readLayout } from "./history-table.ts";

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
  const { rows } = await client.query<HistoryRow>(
    `select ${COLUMNS} from pgstead.schema_migrations order by position`,
  );
  return { layout, rows: new Map(rows.map((row) => [row.version, row])) };
}

interface Escaper {
  escapeLiteral(text: string): string;
}

/** The row before the SQL, so that of two runners the later one stops before it has done anything. */
export function buildStartSql(client: Escaper, file: MigrationFile, toolVersion: string): string {
  const values = [file.version, file.raw, file.normalised, toolVersion].map((value) =>
    client.escapeLiteral(value),
  );
  const [version, raw, normalised, tool] = values;
  return `insert into pgstead.schema_migrations
  (version, repeatable, state, checksum_raw, checksum, tool_version, started_at)
values (${version}, ${file.repeatable}, 'applying', ${raw}, ${normalised}, ${tool}, clock_timestamp())
on conflict (version) do update set state = 'applying', checksum_raw = excluded.checksum_raw,
  checksum = excluded.checksum, tool_version = excluded.tool_version, applied_by = session_user,
  started_at = excluded.started_at, finished_at = null, duration_ms = null, statements_done = 0,
  progress = null, origin = 'file', position = default`;
}

/**
 * The whole row of a file that ran in one transaction, as the last thing in it. A file that is new to
 * the history is inserted only: should another runner have come first, the key refuses both its row
 * and all that the file did.
 */
export function buildAppliedSql(
  client: Escaper,
  file: MigrationFile,
  toolVersion: string,
  { statements, known, approval }: { statements: number; known: boolean; approval?: Approval },
): string {
  const values = [file.version, file.raw, file.normalised, toolVersion].map((value) =>
    client.escapeLiteral(value),
  );
  const [version, raw, normalised, tool] = values;
  const approvals = approval ? `jsonb_build_array(${buildNoteSql(client, approval)})` : "'[]'";
  return `insert into pgstead.schema_migrations (version, repeatable, state, checksum_raw, checksum,
  tool_version, statements_done, started_at, finished_at, duration_ms, approvals)
values (${version}, ${file.repeatable}, 'applied', ${raw}, ${normalised}, ${tool}, ${statements}, now(),
  clock_timestamp(), 1000 * extract(epoch from clock_timestamp() - now()), ${approvals})${
    known
      ? `
on conflict (version) do update set state = 'applied', checksum_raw = excluded.checksum_raw,
  checksum = excluded.checksum, tool_version = excluded.tool_version, applied_by = session_user,
  started_at = excluded.started_at, finished_at = excluded.finished_at,
  duration_ms = excluded.duration_ms, statements_done = excluded.statements_done, progress = null,
  origin = 'file', position = default, approvals = schema_migrations.approvals || excluded.approvals`
      : ""
  }`;
}

export function buildFinishSql(client: Escaper, version: string, approval?: Approval): string {
  return `update pgstead.schema_migrations set state = 'applied', finished_at = clock_timestamp(),
  duration_ms = 1000 * extract(epoch from clock_timestamp() - started_at),
  progress = null${buildApprovalSql(client, approval)}
where version = ${client.escapeLiteral(version)}`;
}

const buildApprovalSql = (client: Escaper, approval?: Approval) =>
  approval ? `, approvals = approvals || jsonb_build_array(${buildNoteSql(client, approval)})` : "";

export interface Approval {
  action: "down" | "run";
  by: string;
  reason: string;
  /** The proven backup that would bring back what is lost. */
  backup?: string;
  /** There was none, and they went on. */
  acceptedLoss?: boolean;
}

/** The row stays, so that who undid it, when and why is kept with it. */
export function buildUndoneSql(client: Escaper, version: string, approval?: Approval): string {
  return `update pgstead.schema_migrations set state = 'undone', finished_at = clock_timestamp(),
  progress = null${buildApprovalSql(client, approval)} where version = ${client.escapeLiteral(version)}`;
}

/** Recorded as applied without having run here. */
export function buildRecordSql(
  client: Escaper,
  file: Pick<MigrationFile, "version" | "repeatable" | "raw" | "normalised">,
  origin: "stamp" | "adopt",
  toolVersion: string,
  note: object,
): string {
  const [version, raw, normalised, tool] = [
    file.version,
    file.raw,
    file.normalised,
    toolVersion,
  ].map((value) => client.escapeLiteral(value));
  return `insert into pgstead.schema_migrations
  (version, repeatable, state, checksum_raw, checksum, tool_version, origin, finished_at, approvals)
values (${version}, ${file.repeatable}, 'applied', ${raw}, ${normalised}, ${tool}, '${origin}',
  clock_timestamp(), jsonb_build_array(${buildNoteSql(client, note)}))
on conflict (version) do update set state = 'applied', checksum_raw = excluded.checksum_raw,
  checksum = excluded.checksum, tool_version = excluded.tool_version, origin = excluded.origin,
  finished_at = excluded.finished_at, progress = null, position = default,
  approvals = schema_migrations.approvals || excluded.approvals`;
}

/** What a person did to the history by hand, with the server's word on when and as whom. */
const buildNoteSql = (client: Escaper, note: object) =>
  `${client.escapeLiteral(JSON.stringify(note))}::jsonb
    || jsonb_build_object('at', clock_timestamp(), 'role', session_user)`;

/** Where a file without one transaction stands; each change is committed with what it tells of. */
export function buildProgressSql(
  client: Escaper,
  version: string,
  statementsDone: number,
  progress: object,
): string {
  return `update pgstead.schema_migrations set statements_done = ${statementsDone},
  progress = ${client.escapeLiteral(JSON.stringify(progress))}::jsonb
where version = ${client.escapeLiteral(version)}`;
}
