import { isConnectionLost } from "../../connect/sqlstate.ts";
import { ExitCode, ExpectedError, refused } from "../../error.ts";
import { type MigrationFile, shortenPath } from "../files/find-files.ts";
import { runScript, ScriptError } from "../files/script.ts";
import type { Part } from "../files/source.ts";
import {
  buildFinishSql,
  buildProgressSql,
  buildStartSql,
  buildUndoneSql,
  type HistoryRow,
} from "../history/history.ts";
import { formatPlace } from "../history/inspect-part.ts";
import { reportOldTransactions } from "../session/old-transactions.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";
import { withWatcher } from "../session/watch.ts";
import { explainSqlError, MigrationError } from "../sql/sql-error.ts";
import { assertValid, clearFailedBuild, indexIntent } from "./index-build.ts";
import { type Direction, hashPrefixes, type Intent, type Progress } from "./intent.ts";
import { splitUnits, type Unit } from "./split-units.ts";
import { fateOf } from "./statement-outcome.ts";
import { buildTimeouts, runInTransaction } from "./transaction.ts";

/** A person's word on a statement of which nobody can tell whether it ran. */
export type Resolution = "retry" | "skip";

export interface StepwiseRun {
  runner: Runner;
  file: MigrationFile;
  part: Part;
  direction: Direction;
  /** The row of an earlier run that did not come to its end. */
  row?: HistoryRow | undefined;
  resolution?: Resolution | undefined;
  /** Recorded with the last step. */
  finish?: string;
}

const INVALID_TRANSACTION_TERMINATION = "2D000";
const ACTIVE_TRANSACTION = "25001";
const DUPLICATE_TABLE = "42P07";

/** Runs a file statement by statement, each one recorded, and carries on where an earlier run ended. */
export async function runStepwise(steps: StepwiseRun): Promise<number> {
  const { runner, file, part, direction, row } = steps;
  const { client, settings } = runner;
  const units = await splitUnits(part);
  const session = new StepwiseRunner(steps, units);
  await client.query(
    ["reset all", "reset role", ...buildSetRole(client, settings, false)].join(";"),
  );
  try {
    if (row?.state === "applying") await session.resume(row);
    else await session.begin();
    while (session.done < units.length) await session.step();
    const last =
      direction === "up"
        ? buildFinishSql(client, file.version)
        : buildUndoneSql(client, file.version);
    await client.query(steps.finish ?? last);
    return units.length;
  } finally {
    await client.query("reset all; reset role").catch(() => {});
  }
}

class StepwiseRunner {
  done = 0;
  private readonly steps: StepwiseRun;
  private readonly units: Unit[];
  /** Of the units before each, as `Progress` has them. */
  private readonly hashes: string[];

  constructor(steps: StepwiseRun, units: Unit[]) {
    this.steps = steps;
    this.units = units;
    this.hashes = hashPrefixes(units.map(({ sql }) => sql));
  }

  async begin(): Promise<void> {
    const { runner, file, direction } = this.steps;
    const start =
      direction === "up"
        ? buildStartSql(runner.client, file, runner.toolVersion)
        : `update pgstead.schema_migrations set state = 'applying'
           where version = ${runner.client.escapeLiteral(file.version)}`;
    await runner.client.query(`begin; ${start}; ${this.progress(0)}; commit`);
  }

  async resume(row: HistoryRow): Promise<void> {
    const { runner, file, part, resolution } = this.steps;
    const { client } = runner;
    const progress = row.progress as Progress;
    this.done = row.statementsDone;
    if (this.hashes[this.done] !== progress.doneHash) {
      throw refused(
        `${shortenPath(part.path)} was edited in the ${this.done} statements of it that have run; bring those back, the rest may change`,
      );
    }
    runner.note(`  carrying on with ${file.version} after ${this.done} statements`);
    for (const { kind, sql } of this.units.slice(0, this.done)) {
      if (kind === "setting") await client.query(sql);
    }
    const unit = this.units[this.done];
    if (!progress.intent || !unit) return;
    const fate = resolution
      ? resolved(resolution)
      : await fateOf(client, progress.intent, unit.statement);
    if (fate === "unclear") throw this.unclear(unit, progress.intent);
    if (resolution === "retry" && progress.intent.index) {
      await clearFailedBuild(client, progress.intent.index);
    }
    if (fate === "done") this.done++;
    await client.query(this.progress(this.done));
  }

  async step(): Promise<void> {
    const unit = this.units[this.done] as Unit;
    if (unit.kind === "setting") {
      await this.statement(unit);
      await this.steps.runner.client.query(this.progress(this.done + 1));
    } else if (unit.kind === "catalog") await this.catalogStep(unit);
    else if (unit.kind === "unknowable") await this.unknowableStep(unit);
    else if (unit.kind !== "attempt") await this.transactionalStep(unit);
    else if (!(await this.attempt(unit))) await this.unknowableStep(unit);
    this.done++;
  }

  private async transactionalStep(unit: Unit): Promise<void> {
    const { runner, part } = this.steps;
    const { client } = runner;
    await runInTransaction(runner, {
      part,
      before: this.hasOwnTimeouts() ? [] : buildTimeouts(client, part),
      sql: unit.sql,
      start: unit.start,
      after: [this.progress(this.done + 1)],
      kept: this.kept(),
    });
  }

  /** A DO or CALL that commits by itself fails at its first COMMIT, and leaves nothing behind. */
  private async attempt(unit: Unit): Promise<boolean> {
    try {
      await this.transactionalStep(unit);
      return true;
    } catch (error) {
      const state = error instanceof MigrationError && error.failure.sqlstate;
      if (state === INVALID_TRANSACTION_TERMINATION || state === ACTIVE_TRANSACTION) return false;
      throw error;
    }
  }

  private async unknowableStep(unit: Unit): Promise<void> {
    const { client } = this.steps.runner;
    const intent: Intent = { kind: "unknowable", since: new Date().toISOString() };
    await client.query(this.progress(this.done, intent));
    await this.statement(unit);
    await client.query(this.progress(this.done + 1));
  }

  /** No timeouts: a CONCURRENTLY that one ends leaves an invalid index behind. */
  private async catalogStep(unit: Unit): Promise<void> {
    const { runner } = this.steps;
    const { client } = runner;
    const intent: Intent = { kind: "catalog", since: new Date().toISOString() };
    if (unit.statement.type === "IndexStmt")
      intent.index = await indexIntent(client, unit.statement);
    await client.query(this.progress(this.done, intent));
    await reportOldTransactions(runner);
    await client.query("set lock_timeout = 0");
    await client.query("set statement_timeout = 0");
    try {
      await this.statement(unit, intent);
    } catch (error) {
      const duplicate = (error as MigrationError).failure?.sqlstate === DUPLICATE_TABLE;
      if (!isConnectionLost((error as Error).cause ?? error)) {
        if (intent.index && !duplicate) await clearFailedBuild(client, intent.index);
        await client.query(this.progress(this.done));
      }
      throw error;
    }
    if (intent.index) await assertValid(client, intent.index, unit.statement);
    await client.query(this.progress(this.done + 1));
  }

  private async statement({ sql, start }: Unit, intent?: Intent): Promise<void> {
    const { runner, part } = this.steps;
    const { client, settings, note } = runner;
    const onBuilding = async (other: typeof client, oid: number) => {
      if (!intent?.index) return;
      intent.index.oid = oid;
      await other.query(
        [...buildSetRole(client, settings, false), this.progress(this.done, intent)].join(";"),
      );
    };
    try {
      await withWatcher(settings, client, { note, eager: Boolean(intent?.index), onBuilding }, () =>
        runScript(client, sql),
      );
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      const sent = { part, text: sql, offset: -start, at: start };
      throw await explainSqlError(error.error, sent, this.kept());
    }
  }

  private kept = () =>
    `${this.done} statements of ${this.steps.file.version} are done and stay; once that is put right, "pgstead migrate ${this.steps.direction}" carries on`;

  private hasOwnTimeouts = () =>
    this.units
      .slice(0, this.done)
      .some(({ kind, sql }) => kind === "setting" && /_timeout/i.test(sql));

  private progress(done: number, intent?: Intent): string {
    const { runner, file, direction } = this.steps;
    const progress: Progress = {
      direction,
      doneHash: this.hashes[done] as string,
      ...(intent && { intent }),
    };
    return buildProgressSql(runner.client, file.version, done, progress);
  }

  private unclear({ start, sql }: Unit, { since }: Intent): ExpectedError {
    const { part, direction } = this.steps;
    return new ExpectedError(
      ExitCode.pending,
      `${formatPlace(part, start)}: this statement was begun at ${since} and its end was not recorded; nobody but you can tell whether it took effect
  ${sql.split("\n").join("\n  ")}
look, and then: "pgstead migrate ${direction} --retry" runs it again, "pgstead migrate ${direction} --skip" counts it as done`,
    );
  }
}

const resolved = (resolution: Resolution) => (resolution === "skip" ? "done" : "again");
