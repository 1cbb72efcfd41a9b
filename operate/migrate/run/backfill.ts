import { setTimeout as sleep } from "node:timers/promises";
import { isConnectionLost, isPermissionDenied, isServerTrouble } from "../../connect/sqlstate.ts";
import { mistake, refused } from "../../error.ts";
import { sha256 } from "../files/checksum.ts";
import type { Backfill } from "../files/directives.ts";
import type { MigrationFile } from "../files/find-files.ts";
import type { Part } from "../files/source.ts";
import type { HistoryRow } from "../history/history.ts";
import {
  type Approval,
  buildApprovalSql,
  buildFinishSql,
  buildProgressSql,
  buildStartSql,
} from "../history/history-sql.ts";
import {
  asPgstead,
  buildOwnSettings,
  buildSetRole,
  buildUserSettings,
} from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import { buildTimeouts, runInTransaction } from "./transaction.ts";

export interface BackfillProgress {
  direction: "up";
  doneHash: string;
  /** The key of the last finished row, as text. */
  last: string | null;
  /** The greatest key at the start. The application fills the rows that it inserts later. */
  end: string | null;
  rows: number;
  expected: number;
}

/** Placeholder in the statement for the condition "the rows of this batch". */
const BATCH_PLACEHOLDER = /:batch\b/;
const BATCH_PLACEHOLDERS = /:batch\b/g;
const REPORT_EVERY_MS = 2_000;

/** Runs one statement over a large table in batches of keys, each batch in its own transaction. */
export async function runBackfill(
  runner: Runner,
  file: MigrationFile,
  part: Part,
  { row, approval }: { row?: HistoryRow | undefined; approval?: Approval | undefined },
): Promise<number> {
  const { client, settings } = runner;
  const backfill = part.directives.backfill as Backfill;
  if (!BATCH_PLACEHOLDER.test(part.sql)) {
    throw mistake(
      `${part.path}: the statement must contain WHERE :batch, which becomes "${backfill.key} > ... AND ${backfill.key} <= ..."`,
    );
  }
  await client.query(
    [buildUserSettings(settings), "reset role", ...buildSetRole(client, settings, false)].join(";"),
  );
  const progress =
    row?.state === "applying"
      ? resume(runner, file, part, row)
      : await start(runner, file, part, row);
  const record = (sql: string) => asPgstead(client, settings, () => client.query(sql));
  if (approval) await record(buildApprovalSql(client, file.version, approval));
  await runBatches(runner, file, part, backfill, progress);
  await record(buildFinishSql(client, file.version));
  return 1;
}

function resume({ note }: Runner, { version }: MigrationFile, part: Part, row: HistoryRow) {
  const progress = row.progress as BackfillProgress;
  if (progress.doneHash !== sha256(part.sql)) {
    throw refused(
      `${part.path} was edited after ${progress.rows} rows of its backfill; restore its content, and write the change as a new file`,
    );
  }
  note(`  continuing ${version} after ${progress.rows} rows`);
  return progress;
}

async function start(
  { client, settings, toolVersion }: Runner,
  file: MigrationFile,
  part: Part,
  row?: HistoryRow,
): Promise<BackfillProgress> {
  const { table, key } = part.directives.backfill as Backfill;
  const column = removeAlias(key);
  const { rows } = await client
    .query(
      `select (select k::pg_catalog.text from (
         select ${column} as k from ${table} where ${column} is not null
         order by ${column} desc limit 1) as newest) as end,
         exists (select from ${table} where ${column} is null) as "hasNull",
         (select greatest(reltuples, 0)::pg_catalog.float8 from pg_catalog.pg_class
           where oid operator(pg_catalog.=) $1::pg_catalog.regclass) as expected`,
      [table],
    )
    .catch((error) => {
      throw explainQueryError(part, error);
    });
  if (rows[0].hasNull) {
    throw mistake(
      `${part.path}: "${table}" has rows whose "${column}" is NULL, which no batch would contain; give them a key, or choose a key that is NOT NULL`,
    );
  }
  const progress: BackfillProgress = {
    direction: "up",
    doneHash: sha256(part.sql),
    last: null,
    end: rows[0].end,
    rows: 0,
    expected: rows[0].expected,
  };
  await asPgstead(client, settings, () =>
    client.query(
      `${buildStartSql(client, file, toolVersion, row)}; ${buildProgressSql(client, file.version, 0, progress)}`,
    ),
  );
  return progress;
}

/** The table or the key of the directive is wrong, unless the server itself has trouble. */
function explainQueryError({ path, directives }: Part, error: Error): Error {
  if (isConnectionLost(error) || isServerTrouble(error) || isPermissionDenied(error)) return error;
  const { table, key } = directives.backfill as Backfill;
  return mistake(`${path}: the backfill over table=${table} key=${key}: ${error.message}`, error);
}

async function runBatches(
  runner: Runner,
  file: MigrationFile,
  part: Part,
  { table, key, batch, pauseMs }: Backfill,
  progress: BackfillProgress,
): Promise<void> {
  const { client, settings, note } = runner;
  const started = Date.now();
  const rowsBefore = progress.rows;
  let reportedAt = started;
  while (progress.end !== null && progress.last !== progress.end) {
    const { range, last, rows } = await findNextBatch(runner, { table, key, batch }, progress);
    if (last === null) return;
    const next = { ...progress, last, rows: progress.rows + rows };
    await runInTransaction(runner, {
      part,
      before: buildTimeouts(client, part),
      sql: fillPlaceholder(part.sql, range).replace(/;\s*$/, ""),
      start: 0,
      after: [
        ...buildOwnSettings(client, settings),
        buildProgressSql(client, file.version, 0, next),
      ],
      consequence: {
        version: file.version,
        known: describeRows(progress.rows),
        byHistory: (row) =>
          describeRows((row?.progress as BackfillProgress | null)?.rows ?? progress.rows),
      },
    });
    Object.assign(progress, next);
    if (Date.now() - reportedAt > REPORT_EVERY_MS) {
      note(`  ${describeProgress(progress, rowsBefore, Date.now() - started)}`);
      reportedAt = Date.now();
    }
    if (pauseMs > 0) await sleep(pauseMs);
  }
}

const describeRows = (rows: number) =>
  `${rows} rows of the backfill are done and stay; "pgstead migrate up" continues after them`;

/**
 * Exported for its test. A function as the replacement: as a string, `$'` and `$&` in a key that somebody
 * else wrote would be expanded and become SQL (S27).
 */
export const fillPlaceholder = (sql: string, range: string): string =>
  sql.replace(BATCH_PLACEHOLDERS, () => range);

/** The bounds use the order of the key's type, so any sortable type works. */
async function findNextBatch(
  { client }: Runner,
  { table, key, batch }: Pick<Backfill, "table" | "key" | "batch">,
  { last, end }: BackfillProgress,
) {
  const literal = (value: string) => client.escapeLiteral(value);
  const column = removeAlias(key);
  const after = last === null ? "" : `${column} > ${literal(last)} and `;
  const { rows } = await client.query(
    `select pg_catalog.count(*)::pg_catalog.float8 as rows,
       (pg_catalog.array_agg(k::pg_catalog.text order by k desc))[1] as last from (
       select ${column} as k from ${table} where ${after}${column} <= ${literal(end ?? "")}
       order by ${column} limit ${batch}) as batch`,
  );
  const upTo: string | null = rows[0].last;
  const from = last === null ? "" : `${key} > ${literal(last)} and `;
  return { range: `(${from}${key} <= ${literal(upTo ?? "")})`, last: upTo, rows: rows[0].rows };
}

/** `key=d.id` contains the alias of the statement. The queries for the batches have no alias. */
const removeAlias = (key: string) => key.split(".").at(-1) as string;

function describeProgress(
  { rows, expected }: BackfillProgress,
  rowsBefore: number,
  ms: number,
): string {
  const rate = Math.round(((rows - rowsBefore) * 1000) / Math.max(ms, 1));
  const rest =
    expected > rows && rate > 0 ? `, about ${Math.ceil((expected - rows) / rate)} s left` : "";
  return `${rows}${expected > 0 ? ` of about ${Math.max(expected, rows)}` : ""} rows, ${rate}/s${rest}`;
}
