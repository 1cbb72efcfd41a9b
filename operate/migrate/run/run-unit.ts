import type { Client } from "pg";
import { ACTIVE_TRANSACTION, isConnectionLost } from "../../connect/sqlstate.ts";
import { describeStop, Stopped } from "../../stop.ts";
import { runScript, ScriptError } from "../files/script.ts";
import {
  asPgstead,
  buildOwnSettings,
  buildSetRole,
  withoutTimeouts,
} from "../session/file-session.ts";
import { reportOldTransactions } from "../session/old-transactions.ts";
import { withWatcher } from "../session/watch.ts";
import { MigrationError } from "../sql/sql-error.ts";
import { classifyOutside } from "../sql/statement-kind.ts";
import { type Consequence, explainFailure } from "./explain-failure.ts";
import { assertIndexValid, dropFailedBuild, prepareIndexBuild } from "./index-build.ts";
import type { Intent } from "./intent.ts";
import { dropLeftovers, prepareReindex } from "./reindex.ts";
import type { Unit } from "./split-units.ts";
import { buildTimeouts, runInTransaction } from "./transaction.ts";
import { buildUnitProgress, saveProgress, type UnitRun } from "./unit-run.ts";

const INVALID_TRANSACTION_TERMINATION = "2D000";
const DUPLICATE_TABLE = "42P07";

/** Runs the unit after `done` finished ones, and records it. */
export async function runUnit(run: UnitRun, done: number): Promise<void> {
  const unit = run.units[done] as Unit;
  if (unit.kind === "setting") {
    await sendUnit(run, done);
    await saveProgress(run, done + 1);
  } else if (unit.kind === "catalog") await runCatalog(run, done);
  else if (unit.kind === "unknowable") await runUnknowable(run, done);
  else if (unit.kind !== "attempt") await runTransactional(run, done);
  else if (await tryTransactional(run, done)) return;
  else if (classifyOutside(unit.statement) === "catalog") await runCatalog(run, done);
  else await runUnknowable(run, done);
}

async function runTransactional(run: UnitRun, done: number): Promise<void> {
  const { runner, part, units } = run;
  const { sql, start } = units[done] as Unit;
  await runInTransaction(runner, {
    part,
    before: hasOwnTimeouts(run, done) ? [] : buildTimeouts(runner.client, part),
    sql,
    start,
    after: [...buildOwnSettings(runner.client, runner.settings), buildUnitProgress(run, done + 1)],
    consequence: buildUnitConsequence(run, done),
  });
}

/** False for a DO or CALL with a COMMIT: it fails at the first one, and everything is rolled back. */
async function tryTransactional(run: UnitRun, done: number): Promise<boolean> {
  try {
    await runTransactional(run, done);
    return true;
  } catch (error) {
    const state = error instanceof MigrationError && error.failure.sqlstate;
    if (state === INVALID_TRANSACTION_TERMINATION || state === ACTIVE_TRANSACTION) return false;
    throw error;
  }
}

async function runUnknowable(run: UnitRun, done: number): Promise<void> {
  const intent: Intent = { kind: "unknowable", since: new Date().toISOString() };
  await saveProgress(run, done, intent);
  await sendUnit(run, done);
  await saveProgress(run, done + 1);
}

/** S7: without timeouts, because a CONCURRENTLY that times out leaves an invalid index. */
async function runCatalog(run: UnitRun, done: number): Promise<void> {
  const { runner } = run;
  const { client, settings } = runner;
  const { statement } = run.units[done] as Unit;
  const intent: Intent = { kind: "catalog", since: new Date().toISOString() };
  if (statement.type === "IndexStmt") intent.index = await prepareIndexBuild(runner, statement);
  if (statement.type === "ReindexStmt") intent.reindex = await prepareReindex(runner, statement);
  await saveProgress(run, done, intent);
  await asPgstead(client, settings, () => reportOldTransactions(runner));
  try {
    await withoutTimeouts(client, () => sendUnit(run, done, intent));
  } catch (error) {
    const isDuplicate = (error as MigrationError).failure?.sqlstate === DUPLICATE_TABLE;
    if (!isConnectionLost((error as Error).cause ?? error)) {
      if (intent.index && !isDuplicate) await dropFailedBuild(runner, intent.index);
      if (intent.reindex) await dropLeftovers(runner, intent.reindex);
      await saveProgress(run, done);
    }
    throw error;
  }
  if (intent.index) await assertIndexValid(runner, intent.index, statement);
  await saveProgress(run, done + 1);
}

async function sendUnit(run: UnitRun, done: number, intent?: Intent): Promise<void> {
  const { runner, part, units } = run;
  const { client, settings, note } = runner;
  const { sql, start } = units[done] as Unit;
  const onBuilding = async (other: Client, oid: number) => {
    if (!intent?.index) return;
    intent.index.oid = oid;
    await other.query(
      [...buildSetRole(client, settings, false), buildUnitProgress(run, done, intent)].join(";"),
    );
  };
  try {
    await withWatcher(settings, client, { note, eager: Boolean(intent?.index), onBuilding }, () =>
      runScript(client, sql),
    );
  } catch (error) {
    if (error instanceof Stopped) throw describeStop(describeDone(run, done), error);
    if (!(error instanceof ScriptError)) throw error;
    const sent = { part, text: sql, offset: -start, at: start };
    throw await explainFailure(runner, error.error, sent, buildUnitConsequence(run, done));
  }
}

const describeDone = ({ file, direction }: UnitRun, done: number) =>
  `${done} statements of ${file.version} have run and stay; correct the file, then "pgstead migrate ${direction}" continues after them`;

const buildUnitConsequence = (run: UnitRun, done: number): Consequence => ({
  version: run.file.version,
  known: describeDone(run, done),
  byHistory: (row) => describeDone(run, row?.statementsDone ?? done),
});

const hasOwnTimeouts = ({ units }: UnitRun, done: number) =>
  units.slice(0, done).some(({ kind, sql }) => kind === "setting" && /_timeout/i.test(sql));
