import { withSession } from "../../connect/session.ts";
import { mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile, shortenPath } from "../files/find-files.ts";
import { type Part, readSource } from "../files/source.ts";
import { type History, type HistoryRow, readHistory } from "../history/history.ts";
import { type Approval, buildUndoneSql } from "../history/history-sql.ts";
import { inspectPart } from "../history/inspect-part.ts";
import { buildOwnSettings } from "../session/file-session.ts";
import { type Runner, type RunOptions, withRunner } from "../session/runner.ts";
import { type GivenApproval, requireApproval } from "./approval.ts";
import { buildConsequence } from "./explain-failure.ts";
import type { Progress } from "./intent.ts";
import { runUnits } from "./no-transaction.ts";
import { buildCleanStart, runInTransaction } from "./transaction.ts";
import type { Resolution } from "./unit-run.ts";

export interface DownOptions extends RunOptions {
  /** Number of files to undo, newest first. @default 1 */
  count?: number;
  /** Undo all files after this version. `base`: undo all files. */
  to?: string;
  approval?: GivenApproval;
  resolution?: Resolution;
}

export interface DownResult {
  database: string;
  undone: { version: string; durationMs: number }[];
  schemaVersion: string | null;
}

interface UndoStep {
  file: MigrationFile;
  row: HistoryRow;
  part: Part;
}

/** Undoes the files applied last, newest first. If one of them cannot be undone, it undoes none. */
export async function undoApplied(settings: Settings, options: DownOptions): Promise<DownResult> {
  const approval = await requireApproval(settings, "down", options.approval ?? {});
  const files = findFiles(settings.migrations);
  const plan = async (history: History) => {
    const steps = chooseRows(files, history, options).map((row) => prepareStep(row, files));
    for (const { part } of steps) await inspectPart(part);
    return steps;
  };
  const client = { purpose: "migrate down" };
  const planned = await withSession(settings, client, async (c) => plan(await readHistory(c)));
  const undone: DownResult["undone"] = [];
  if (planned.length > 0) {
    await withRunner(settings, "migrate down", options, async (runner) => {
      for (const step of await plan(await readHistory(runner.client))) {
        undone.push(await runStep(runner, step, approval, options.resolution));
      }
    });
  }
  const history = await withSession(settings, client, readHistory);
  const applied = files.filter(
    ({ version, repeatable }) => !repeatable && history.rows.get(version)?.state === "applied",
  );
  return {
    database: settings.database.name,
    undone,
    schemaVersion: applied.at(-1)?.version ?? null,
  };
}

/** Newest first by the order in which they were applied, which may differ from the order of names. */
function chooseRows(
  files: MigrationFile[],
  { rows }: History,
  { count, to }: DownOptions,
): HistoryRow[] {
  const applied = [...rows.values()]
    .filter(({ state, repeatable }) => state !== "undone" && !repeatable)
    .reverse();
  if (to === undefined) return applied.slice(0, count ?? 1);
  if (to === "base") return applied;
  if (!rows.has(to) || rows.get(to)?.state === "undone") {
    throw mistake(`"${to}" is not applied; the newest is "${applied[0]?.version ?? "none"}"`);
  }
  const order = files.map(({ version }) => version);
  return applied.filter(({ version }) => order.indexOf(version) > order.indexOf(to));
}

function prepareStep(row: HistoryRow, files: MigrationFile[]): UndoStep {
  const file = files.find(({ version }) => version === row.version);
  if (!file) {
    throw refused(
      `"${row.version}" has no file here, so there is no down part to run; restore the file`,
    );
  }
  if (row.checksum !== file.normalised) {
    throw refused(
      `${shortenPath(file.path)} was edited after it was applied; restore its content first`,
    );
  }
  if (row.state === "applying" && (row.progress as Progress | null)?.direction !== "down") {
    throw refused(
      `"${row.version}" is not completely applied; finish it with "pgstead migrate up" first`,
    );
  }
  const { up, down: part } = readSource(file);
  const reason = up.directives.irreversible ?? part?.directives.irreversible;
  if (reason) throw refused(`${shortenPath(file.path)} cannot be undone: ${reason}`);
  if (!part) {
    throw mistake(
      `${shortenPath(file.path)} has no down part; write one below a line "-- migrate:down", or write the reverse as a new file`,
    );
  }
  return { file, row, part };
}

async function runStep(
  runner: Runner,
  { file, row, part }: UndoStep,
  approval: Approval | undefined,
  resolution: Resolution | undefined,
) {
  const { client, settings, note } = runner;
  const started = performance.now();
  const { sql, mode } = await inspectPart(part);
  await runner.startOver();
  const finish = buildUndoneSql(client, file.version, approval);
  if (mode === "no-transaction") {
    await runUnits({ runner, file, part, direction: "down", row, resolution, finish });
  } else {
    await runInTransaction(runner, {
      part,
      before: buildCleanStart(client, settings, part),
      sql,
      start: 0,
      after: [...buildOwnSettings(client, settings), finish],
      consequence: buildConsequence(file, "down"),
    });
  }
  const durationMs = Math.round(performance.now() - started);
  note(`undone ${file.version} (${durationMs} ms)`);
  return { version: file.version, durationMs };
}
