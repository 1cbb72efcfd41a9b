import { setTimeout as sleep } from "node:timers/promises";
import { ExitCode, ExpectedError, mistake } from "../../error.ts";
import { sha256 } from "../files/checksum.ts";
import type { Backfill } from "../files/directives.ts";
import type { MigrationFile } from "../files/find-files.ts";
import type { Part } from "../files/source.ts";
import {
  buildFinishSql,
  buildProgressSql,
  buildStartSql,
  type HistoryRow,
} from "../history/history.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";
import { buildTimeouts, runInTransaction } from "./transaction.ts";

export interface BackfillProgress {
  direction: "up";
  doneHash: string;
  /** The key of the last row that is done, as text. */
  last: string | null;
  /** The greatest key when the backfill began: rows that come later are the application's. */
  end: string | null;
  rows: number;
  expected: number;
}

/** Stands in the statement for "the rows of this batch". */
const BATCH_PLACEHOLDER = /:batch\b/;
const REPORT_EVERY_MS = 2_000;

/** One statement over a large table, a batch of keys at a time, each batch a transaction of its own. */
export async function runBackfill(
  runner: Runner,
  file: MigrationFile,
  part: Part,
  row?: HistoryRow,
): Promise<number> {
  const { client, settings } = runner;
  const backfill = part.directives.backfill as Backfill;
  if (!BATCH_PLACEHOLDER.test(part.sql)) {
    throw mistake(
      `${part.path}: the statement must say WHERE :batch, which becomes "${backfill.key} > ... AND ${backfill.key} <= ..."`,
    );
  }
  await client.query(
    ["reset all", "reset role", ...buildSetRole(client, settings, false)].join(";"),
  );
  try {
    const progress = await startOrResume(runner, file, part, backfill, row);
    await runBatches(runner, file, part, backfill, progress);
    await client.query(buildFinishSql(client, file.version));
    return 1;
  } finally {
    await client.query("reset all; reset role").catch(() => {});
  }
}

async function startOrResume(
  { client, toolVersion, note }: Runner,
  file: MigrationFile,
  part: Part,
  { table, key }: Backfill,
  row?: HistoryRow,
): Promise<BackfillProgress> {
  const doneHash = sha256(part.sql);
  if (row?.state === "applying") {
    const progress = row.progress as BackfillProgress;
    if (progress.doneHash !== doneHash) {
      throw new ExpectedError(
        ExitCode.refused,
        `${part.path} was edited after ${progress.rows} rows of its backfill; bring it back, and write what is missing as a new file`,
      );
    }
    note(`  carrying on with ${file.version} after ${progress.rows} rows`);
    return progress;
  }
  const column = removeAlias(key);
  const { rows } = await client.query(
    `select (select k::text from (
       select ${column} as k from ${table} order by ${column} desc limit 1) as newest) as end,
       (select greatest(reltuples, 0)::float8 from pg_class where oid = $1::regclass) as expected`,
    [table],
  );
  const progress: BackfillProgress = {
    direction: "up",
    doneHash,
    last: null,
    end: rows[0].end,
    rows: 0,
    expected: rows[0].expected,
  };
  await client.query(
    `begin; ${buildStartSql(client, file, toolVersion)}; ${buildProgressSql(client, file.version, 0, progress)}; commit`,
  );
  return progress;
}

async function runBatches(
  runner: Runner,
  file: MigrationFile,
  part: Part,
  { table, key, batch, pauseMs }: Backfill,
  progress: BackfillProgress,
): Promise<void> {
  const { client, note } = runner;
  const started = Date.now();
  const before = progress.rows;
  let toldAt = started;
  while (progress.end !== null && progress.last !== progress.end) {
    const { range, last, rows } = await findNextBatch(runner, { table, key, batch }, progress);
    if (last === null) return;
    const next = { ...progress, last, rows: progress.rows + rows };
    await runInTransaction(runner, {
      part,
      before: buildTimeouts(client, part),
      sql: part.sql.replaceAll(":batch", range).replace(/;\s*$/, ""),
      start: 0,
      after: [buildProgressSql(client, file.version, 0, next)],
    });
    Object.assign(progress, next);
    if (Date.now() - toldAt > REPORT_EVERY_MS) {
      note(`  ${describeProgress(progress, before, Date.now() - started)}`);
      toldAt = Date.now();
    }
    if (pauseMs > 0) await sleep(pauseMs);
  }
}

/** The bounds come from the key's own order, so any sortable type will do. */
async function findNextBatch(
  { client }: Runner,
  { table, key, batch }: Pick<Backfill, "table" | "key" | "batch">,
  { last, end }: BackfillProgress,
) {
  const literal = (value: string) => client.escapeLiteral(value);
  const column = removeAlias(key);
  const after = last === null ? "" : `${column} > ${literal(last)} and `;
  const { rows } = await client.query(
    `select count(*)::float8 as rows, (array_agg(k::text order by k desc))[1] as last from (
       select ${column} as k from ${table} where ${after}${column} <= ${literal(end ?? "")}
       order by ${column} limit ${batch}) as batch`,
  );
  const upTo: string | null = rows[0].last;
  const from = last === null ? "" : `${key} > ${literal(last)} and `;
  return { range: `(${from}${key} <= ${literal(upTo ?? "")})`, last: upTo, rows: rows[0].rows };
}

/** `key=d.id` names the alias of the statement; the batches are counted on the table alone. */
const removeAlias = (key: string) => key.split(".").at(-1) as string;

function describeProgress(
  { rows, expected }: BackfillProgress,
  before: number,
  ms: number,
): string {
  const rate = Math.round(((rows - before) * 1000) / Math.max(ms, 1));
  const rest =
    expected > rows && rate > 0 ? `, about ${Math.ceil((expected - rows) / rate)} s left` : "";
  return `${rows}${expected > 0 ? ` of about ${Math.max(expected, rows)}` : ""} rows, ${rate}/s${rest}`;
}
