import { ExitCode, ExpectedError, refused } from "../../error.ts";
import { shortenPath } from "../files/find-files.ts";
import type { HistoryRow } from "../history/history.ts";
import { buildCheckedWrite, buildStartSql } from "../history/history-sql.ts";
import { formatPlace } from "../history/inspect-part.ts";
import { asPgstead } from "../session/file-session.ts";
import { dropFailedBuild } from "./index-build.ts";
import type { Intent, Progress } from "./intent.ts";
import { dropLeftovers } from "./reindex.ts";
import type { Unit } from "./split-units.ts";
import { findOutcome, repairOutcome } from "./statement-outcome.ts";
import { buildUnitProgress, saveProgress, type UnitRun } from "./unit-run.ts";

/** Records that the file has started. `row` is that of an earlier run. */
export async function startUnits(run: UnitRun, row?: HistoryRow): Promise<void> {
  const { runner, file, direction } = run;
  const { client } = runner;
  const start =
    direction === "up"
      ? buildStartSql(client, file, runner.toolVersion, row)
      : buildCheckedWrite(
          `update pgstead.schema_migrations set state = 'applying'
           where version = ${client.escapeLiteral(file.version)}`,
        );
  await asPgstead(client, runner.settings, () =>
    client.query(`${start}; ${buildUnitProgress(run, 0)}`),
  );
}

/**
 * S8: prepares the session for the rest of the file, decides whether the recorded next statement ran,
 * and returns the number of finished units.
 */
export async function resumeUnits(run: UnitRun, row: HistoryRow): Promise<number> {
  const { runner, file, part, units, hashes } = run;
  const { client } = runner;
  const progress = row.progress as Progress;
  const done = row.statementsDone;
  if (hashes[done] !== progress.doneHash) {
    throw refused(
      `${shortenPath(part.path)} was edited in its first ${done} statements, which have run; restore those, the rest may change`,
    );
  }
  runner.note(`  continuing ${file.version} after ${done} statements`);
  for (const { kind, sql } of units.slice(0, done)) {
    if (kind === "setting") await client.query(sql);
  }
  const unit = units[done];
  if (!progress.intent || !unit) return done;
  const hasRun = await resolveIntent(run, unit, progress.intent);
  const doneNow = hasRun ? done + 1 : done;
  await saveProgress(run, doneNow);
  return doneNow;
}

/** Whether the recorded statement counts as done: by a person's decision, or by the catalog. */
async function resolveIntent(run: UnitRun, unit: Unit, intent: Intent): Promise<boolean> {
  const { runner } = run;
  if (run.resolution === "skip") return true;
  if (run.resolution === "retry") {
    if (intent.index) await dropFailedBuild(runner, intent.index);
    if (intent.reindex) await dropLeftovers(runner, intent.reindex);
    return false;
  }
  const outcome = await findOutcome(runner, intent, unit.statement);
  if (outcome === "unclear") throw explainUnclear(run, unit, intent);
  return (await repairOutcome(runner, outcome, intent, unit.statement)) === "done";
}

function explainUnclear(
  { part, direction }: UnitRun,
  { start, sql }: Unit,
  { since }: Intent,
): ExpectedError {
  return new ExpectedError(
    ExitCode.pending,
    `${formatPlace(part, start)}: this statement started at ${since} and its end was not recorded; pgstead cannot find out whether it took effect
  ${sql.split("\n").join("\n  ")}
look in the database, then: "pgstead migrate ${direction} --retry" runs it again, "pgstead migrate ${direction} --skip" counts it as done`,
  );
}
