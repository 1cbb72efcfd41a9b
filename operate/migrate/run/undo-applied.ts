import { withSession } from "../../connect/session.ts";
import { addDoneBefore, mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile, shortenPath } from "../files/find-files.ts";
import { type Part, readSource } from "../files/source.ts";
import { type History, type HistoryRow, readHistory } from "../history/history.ts";
import { type Approval, buildUndoneSql } from "../history/history-sql.ts";
import { inspectPart } from "../history/inspect-part.ts";
import { buildOwnSettings } from "../session/file-session.ts";
import { type Runner, type RunOptions, withRunner } from "../session/runner.ts";
import { type GivenApproval, requireApproval } from "./approval.ts";
import { assertSameMode } from "./assert-same-mode.ts";
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
  /** Only find out what would be undone. */
  plan?: boolean;
}

export interface DownResult {
  database: string;
  /** With `plan`: the versions that would be undone, in this order. */
  planned?: string[];
  undone: { version: string; durationMs: number }[];
  schemaVersion: string | null;
}

interface UndoStep {
  file: MigrationFile;
  row: HistoryRow;
  part: Part;
}

/**
 * Undoes the files applied last, newest first. If one of them cannot be undone, it undoes none. An error
 * says what was undone before it.
 */
export async function undoApplied(settings: Settings, options: DownOptions): Promise<DownResult> {
  const undone: DownResult["undone"] = [];
  try {
    return await undoInto(undone, settings, options);
  } catch (error) {
    throw addDoneBefore(error, { undone });
  }
}

async function undoInto(
  undone: DownResult["undone"],
  settings: Settings,
  options: DownOptions,
): Promise<DownResult> {
  const approval = options.plan
    ? undefined
    : await requireApproval(settings, "down", options.approval ?? {});
  const files = findFiles(settings.migrations);
  const plan = async (history: History) => {
    const steps = chooseRows(files, history, options).map((row) => prepareStep(row, files));
    for (const { part } of steps) await inspectPart(part);
    return steps;
  };
  const client = { purpose: "migrate down" };
  const planned = await withSession(settings, client, async (c) => plan(await readHistory(c)));
  if (planned.length > 0 && !options.plan) {
    await withRunner(settings, "migrate down", options, async (runner) => {
      const steps = await plan(await readHistory(runner.client));
      runner.note(`will undo, in this order: ${listVersions(steps).join(", ")}`);
      for (const step of steps) {
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
    ...(options.plan && { planned: listVersions(planned) }),
    undone,
    schemaVersion: applied.at(-1)?.version ?? null,
  };
}

const listVersions = (steps: UndoStep[]) => steps.map(({ file }) => file.version);

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
  const end = order.indexOf(to);
  if (end === -1) throw explainMissingFile(to);
  const { position } = rows.get(to) as HistoryRow;
  // A file that is missing has no place in the order of names. It counts if it was applied after `to`.
  return applied.filter((row) => {
    const index = order.indexOf(row.version);
    return index === -1 ? row.position > position || row.version > to : index > end;
  });
}

const explainMissingFile = (version: string) =>
  refused(`"${version}" is applied and has no file here; restore the file`);

function prepareStep(row: HistoryRow, files: MigrationFile[]): UndoStep {
  const file = files.find(({ version }) => version === row.version);
  if (!file) throw explainMissingFile(row.version);
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
  assertSameMode(row, { part, mode, direction: "down" });
  await runner.startOver();
  if (mode === "no-transaction") {
    await runUnits({ runner, file, part, direction: "down", row, resolution, approval });
  } else {
    await runInTransaction(runner, {
      part,
      before: buildCleanStart(client, settings, part),
      sql,
      start: 0,
      after: [
        ...buildOwnSettings(client, settings),
        buildUndoneSql(client, file.version, approval),
      ],
      consequence: buildConsequence(file, "down"),
    });
  }
  const durationMs = Math.round(performance.now() - started);
  note(`undone ${file.version} (${durationMs} ms)`);
  return { version: file.version, durationMs };
}
