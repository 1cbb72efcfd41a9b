import { withSession } from "../../connect/session.ts";
import { addDoneBefore, mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { describeStop, stopSignal } from "../../stop.ts";
import { findFiles, type MigrationFile } from "../files/find-files.ts";
import { readSource } from "../files/source.ts";
import { type ComparedFile, type Comparison, compareFiles } from "../history/compare-files.ts";
import { assertNoOtherTool } from "../history/find-other-tool.ts";
import { readHistory } from "../history/history.ts";
import { inspectPart } from "../history/inspect-part.ts";
import { type RunOptions, withRunner } from "../session/runner.ts";
import { type AppliedFile, applyFile } from "./apply.ts";
import { assertNoHold, releaseHold } from "./hold.ts";
import type { Progress } from "./intent.ts";
import { assertFilesMatchHistory, assertNoLateFiles } from "./refusals.ts";
import type { Resolution } from "./unit-run.ts";

export type OutOfOrder = "refuse" | "apply" | "skip";

export interface UpOptions extends RunOptions {
  /** Largest number of files. */
  count?: number;
  /** The last version to apply. */
  to?: string;
  outOfOrder?: OutOfOrder;
  resolution?: Resolution;
  /** Release the hold that a restore has set. */
  releaseHold?: boolean;
  /** Ignore the files of all other versions. */
  only?: ReadonlySet<string>;
}

export interface UpResult {
  database: string;
  applied: AppliedFile[];
  /** Skipped because later files are applied (`--out-of-order skip`). */
  skipped: string[];
  /** Files that remain, because `count` or `to` stopped before them. */
  pending: string[];
  schemaVersion: string | null;
}

/** Applies the pending files, each in one transaction. An error says what was applied before it. */
export async function applyPending(settings: Settings, options: UpOptions): Promise<UpResult> {
  const applied: AppliedFile[] = [];
  try {
    return await applyInto(applied, settings, options);
  } catch (error) {
    throw addDoneBefore(error, { applied });
  }
}

async function applyInto(
  applied: AppliedFile[],
  settings: Settings,
  given: UpOptions,
): Promise<UpResult> {
  const options = { outOfOrder: settings.migrations.outOfOrder, ...given };
  const files = findFiles(settings.migrations, given.note).filter(
    ({ version }) => !options.only || options.only.has(version),
  );
  // First without the lock: most runs have nothing to do and need not wait for a dump.
  const planned = await withSession(settings, { purpose: "migrate up" }, async (client) => {
    const history = await readHistory(client);
    const choice = chooseFiles(compareFiles(files, history), options);
    if (history.rows.size === 0 && choice.chosen.length > 0) await assertNoOtherTool(client);
    return choice;
  });
  if (planned.chosen.length === 0) return buildResult(settings, files, planned, []);
  // All files are checked before the first one runs, so that a mistake in the last one is found first.
  for (const { file } of planned.chosen) await inspectPart(readSource(file).up);
  return withRunner(settings, "migrate up", options, async (runner) => {
    const choice = chooseFiles(compareFiles(files, await readHistory(runner.client)), options);
    const versions = choice.chosen.map(({ file }) => file.version);
    if (!options.releaseHold) await assertNoHold(runner, versions);
    else if (versions.length > 0) await releaseHold(runner);
    for (const one of choice.chosen) {
      assertNotStopped(applied, one.file);
      applied.push(await applyFile(runner, one, options));
    }
    return buildResult(settings, files, choice, applied);
  });
}

function assertNotStopped(applied: AppliedFile[], { version }: MigrationFile): void {
  if (!stopSignal.aborted) return;
  const done = applied.map((one) => one.version).join(", ") || "none";
  throw describeStop(`applied before the stop: ${done}; ${version} was not started`);
}

interface Choice {
  comparison: Comparison;
  chosen: ComparedFile[];
  skipped: string[];
  left: string[];
}

function chooseFiles(comparison: Comparison, options: UpOptions): Choice {
  assertFilesMatchHistory(comparison);
  const { outOfOrder: mode = "refuse" } = options;
  const late = comparison.files.filter(({ state }) => state === "out-of-order");
  if (mode === "refuse") assertNoLateFiles(late);
  const wanted = comparison.files.filter(
    ({ state }) =>
      ["pending", "changed", "unfinished"].includes(state) ||
      (state === "out-of-order" && mode === "apply"),
  );
  assertNoUnfinishedDown(wanted);
  const versioned = wanted.filter(({ file }) => !file.repeatable);
  const end = countChosen(versioned, comparison, options);
  // Repeatable files (views, functions) may need the newest tables, so they run after all others.
  const chosen = end < versioned.length ? versioned.slice(0, end) : wanted;
  return {
    comparison,
    chosen,
    skipped: mode === "skip" ? late.map(({ file }) => file.version) : [],
    left: wanted.slice(chosen.length).map(({ file }) => file.version),
  };
}

function assertNoUnfinishedDown(wanted: ComparedFile[]): void {
  const unfinished = wanted.find(
    ({ row, state }) =>
      state === "unfinished" && (row?.progress as Progress | null)?.direction === "down",
  );
  if (unfinished) {
    throw mistake(
      `${unfinished.file.version} is only partly undone; finish it with "pgstead migrate down"`,
    );
  }
}

function countChosen(
  pending: ComparedFile[],
  { files }: Comparison,
  { count, to }: UpOptions,
): number {
  if (to === undefined) return count ?? pending.length;
  const all = files.filter(({ file }) => !file.repeatable).map(({ file }) => file.version);
  if (!all.includes(to)) {
    throw mistake(`there is no migration "${to}"; the newest is "${all.at(-1) ?? "none"}"`);
  }
  const upTo = new Set(all.slice(0, all.indexOf(to) + 1));
  return pending.filter(({ file }) => upTo.has(file.version)).length;
}

function buildResult(
  settings: Settings,
  files: MigrationFile[],
  { comparison, skipped, left }: Choice,
  applied: AppliedFile[],
): UpResult {
  const done = new Set(applied.map(({ version }) => version));
  for (const { file, state } of comparison.files) {
    if (state === "applied") done.add(file.version);
  }
  const versioned = files.filter((file) => !file.repeatable && done.has(file.version));
  return {
    database: settings.database.name,
    applied,
    skipped,
    pending: left,
    schemaVersion: versioned.at(-1)?.version ?? null,
  };
}
