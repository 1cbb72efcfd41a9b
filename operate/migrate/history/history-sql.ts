import type { MigrationFile } from "../files/find-files.ts";
import type { HistoryRow } from "./history.ts";

interface Escaper {
  escapeLiteral(text: string): string;
}

/** A person's approval, as the history records it. */
export interface Approval {
  action: "down" | "run" | "stamp";
  by: string;
  reason: string;
  /** The proven backup that can restore what the action deletes. */
  backup?: string;
  /** There was no such backup, and the person accepted that. */
  acceptedLoss?: boolean;
}

/** Name of a setting that does not exist, so that the error of a write that failed is known. */
const NOT_WRITTEN = "pgstead.history_row_not_written";

/** A trigger can discard a write without an error. This fails then, and with it the transaction. */
export const buildCheckedWrite = (write: string): string => `with written as (${write}
returning 1)
select case when not exists (select from written) then pg_catalog.current_setting('${NOT_WRITTEN}') end`;

export const isNotWritten = (error: unknown) =>
  String((error as Error | undefined)?.message).includes(NOT_WRITTEN);

type EarlierRow = Pick<HistoryRow, "state">;

/** A row keeps its place, which decides what \`down\` undoes. Only a file that was undone gets a new one. */
const buildPosition = (row?: EarlierRow) =>
  row && row.state !== "undone" ? "" : ", position = default";

/** Written before the file's SQL, so that a second runner stops before it changes anything. */
export function buildStartSql(
  client: Escaper,
  file: MigrationFile,
  toolVersion: string,
  row?: EarlierRow,
): string {
  const values = [file.version, file.raw, file.normalised, toolVersion].map((value) =>
    client.escapeLiteral(value),
  );
  const [version, raw, normalised, tool] = values;
  return buildCheckedWrite(`insert into pgstead.schema_migrations
  (version, repeatable, state, checksum_raw, checksum, tool_version, started_at)
values (${version}, ${file.repeatable}, 'applying', ${raw}, ${normalised}, ${tool}, clock_timestamp())
on conflict (version) do update set state = 'applying', checksum_raw = excluded.checksum_raw,
  checksum = excluded.checksum, tool_version = excluded.tool_version, applied_by = session_user,
  started_at = excluded.started_at, finished_at = null, duration_ms = null, statements_done = 0,
  progress = null, origin = 'file'${buildPosition(row)}`);
}

/**
 * The complete row of a file that ran in one transaction, as its last statement. A file without a row
 * is inserted and never updated. If another runner was first, the primary key rejects the row, and the
 * whole transaction is rolled back.
 */
export function buildAppliedSql(
  client: Escaper,
  file: MigrationFile,
  toolVersion: string,
  { statements, row, approval }: { statements: number; row?: EarlierRow; approval?: Approval },
): string {
  const values = [file.version, file.raw, file.normalised, toolVersion].map((value) =>
    client.escapeLiteral(value),
  );
  const [version, raw, normalised, tool] = values;
  const approvals = approval ? `jsonb_build_array(${buildNoteSql(client, approval)})` : "'[]'";
  return buildCheckedWrite(`insert into pgstead.schema_migrations (version, repeatable, state, checksum_raw, checksum,
  tool_version, statements_done, started_at, finished_at, duration_ms, approvals)
values (${version}, ${file.repeatable}, 'applied', ${raw}, ${normalised}, ${tool}, ${statements}, now(),
  clock_timestamp(), 1000 * extract(epoch from clock_timestamp() - now()), ${approvals})${
    row
      ? `
on conflict (version) do update set state = 'applied', checksum_raw = excluded.checksum_raw,
  checksum = excluded.checksum, tool_version = excluded.tool_version, applied_by = session_user,
  started_at = excluded.started_at, finished_at = excluded.finished_at,
  duration_ms = excluded.duration_ms, statements_done = excluded.statements_done, progress = null,
  origin = 'file'${buildPosition(row)}, approvals = schema_migrations.approvals || excluded.approvals`
      : ""
  }`);
}

export function buildFinishSql(client: Escaper, version: string): string {
  return buildCheckedWrite(`update pgstead.schema_migrations set state = 'applied', finished_at = clock_timestamp(),
  duration_ms = 1000 * extract(epoch from clock_timestamp() - started_at),
  progress = null
where version = ${client.escapeLiteral(version)}`);
}

/** Records who approved a file that does not run in one transaction, before its first statement. */
export const buildApprovalSql = (client: Escaper, version: string, approval: Approval): string =>
  buildCheckedWrite(`update pgstead.schema_migrations set ${addNote(client, approval)}
where version = ${client.escapeLiteral(version)}`);

const addNote = (client: Escaper, note: object) =>
  `approvals = approvals || jsonb_build_array(${buildNoteSql(client, note)})`;

/** The row stays, because it records who undid the file, when and why. */
export function buildUndoneSql(client: Escaper, version: string, approval?: Approval): string {
  return buildCheckedWrite(`update pgstead.schema_migrations set state = 'undone', finished_at = clock_timestamp(),
  progress = null${approval ? `, ${addNote(client, approval)}` : ""} where version = ${client.escapeLiteral(version)}`);
}

/** Takes a version out of the history without running its down part. */
export const buildForgetSql = (client: Escaper, version: string, note: object): string =>
  buildCheckedWrite(`update pgstead.schema_migrations set state = 'undone', progress = null,
  ${addNote(client, note)} where version = ${client.escapeLiteral(version)}`);

/** Records a file as applied without running it. */
export function buildRecordSql(
  client: Escaper,
  file: Pick<MigrationFile, "version" | "repeatable" | "raw" | "normalised">,
  origin: "stamp" | "adopt",
  toolVersion: string,
  note: object,
  row?: EarlierRow,
): string {
  const [version, raw, normalised, tool] = [
    file.version,
    file.raw,
    file.normalised,
    toolVersion,
  ].map((value) => client.escapeLiteral(value));
  return buildCheckedWrite(`insert into pgstead.schema_migrations
  (version, repeatable, state, checksum_raw, checksum, tool_version, origin, finished_at, approvals)
values (${version}, ${file.repeatable}, 'applied', ${raw}, ${normalised}, ${tool}, '${origin}',
  clock_timestamp(), jsonb_build_array(${buildNoteSql(client, note)}))
on conflict (version) do update set state = 'applied', checksum_raw = excluded.checksum_raw,
  checksum = excluded.checksum, tool_version = excluded.tool_version, origin = excluded.origin,
  finished_at = excluded.finished_at, progress = null${buildPosition(row)},
  approvals = schema_migrations.approvals || excluded.approvals`);
}

/** A note on what a person did, with the server's time and session role. */
const buildNoteSql = (client: Escaper, note: object) =>
  `${client.escapeLiteral(JSON.stringify(note))}::jsonb
    || jsonb_build_object('at', clock_timestamp(), 'role', session_user)`;

/** The progress of a file without one transaction. It commits together with the change it records. */
export function buildProgressSql(
  client: Escaper,
  version: string,
  statementsDone: number,
  progress: object,
): string {
  return buildCheckedWrite(`update pgstead.schema_migrations set statements_done = ${statementsDone},
  progress = ${client.escapeLiteral(JSON.stringify(progress))}::jsonb
where version = ${client.escapeLiteral(version)}`);
}
