import type { MigrationFile } from "../files/find-files.ts";

interface Escaper {
  escapeLiteral(text: string): string;
}

/** A person's approval, as the history records it. */
export interface Approval {
  action: "down" | "run";
  by: string;
  reason: string;
  /** The proven backup that can restore what the action deletes. */
  backup?: string;
  /** There was no such backup, and the person accepted that. */
  acceptedLoss?: boolean;
}

/** Written before the file's SQL, so that a second runner stops before it changes anything. */
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
 * The complete row of a file that ran in one transaction, as its last statement. A file without a row
 * is inserted and never updated. If another runner was first, the primary key rejects the row, and the
 * whole transaction is rolled back.
 */
export function buildAppliedSql(
  client: Escaper,
  file: MigrationFile,
  toolVersion: string,
  { statements, hasRow, approval }: { statements: number; hasRow: boolean; approval?: Approval },
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
    hasRow
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

/** The row stays, because it records who undid the file, when and why. */
export function buildUndoneSql(client: Escaper, version: string, approval?: Approval): string {
  return `update pgstead.schema_migrations set state = 'undone', finished_at = clock_timestamp(),
  progress = null${buildApprovalSql(client, approval)} where version = ${client.escapeLiteral(version)}`;
}

/** Records a file as applied without running it. */
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
  return `update pgstead.schema_migrations set statements_done = ${statementsDone},
  progress = ${client.escapeLiteral(JSON.stringify(progress))}::jsonb
where version = ${client.escapeLiteral(version)}`;
}
