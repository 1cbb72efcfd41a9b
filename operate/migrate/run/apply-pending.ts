import { withSession } from "../../connect/session.ts";
import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile } from "../files/find-files.ts";
import { readSource } from "../files/source.ts";
import { type ComparedFile, type Comparison, compareFiles } from "../history/compare-files.ts";
import { readHistory } from "../history/history.ts";
import { inspectPart } from "../history/inspect-part.ts";
import { type RunOptions, withRunner } from "../session/runner.ts";
import { type AppliedFile, applyFile } from "./apply.ts";
import { assertNotHeld } from "./hold.ts";
import type { Progress } from "./intent.ts";
import type { Resolution } from "./no-transaction.ts";
import { assertFilesMatchHistory, outOfOrder } from "./refusals.ts";

export type OutOfOrder = "refuse" | "apply" | "skip";

export interface UpOptions extends RunOptions {
  /** At most so many files. */
  count?: number;
  /** Up to and with this version. */
  to?: string;
  outOfOrder?: OutOfOrder;
  resolution?: Resolution;
  /** Goes on after a restore has put migrations on hold. */
  releaseHold?: boolean;
  /** Leaves out the others as if they had no files. */
  only?: ReadonlySet<string>;
}

export interface UpResult {
  database: string;
  applied: AppliedFile[];
  /** Left out because later files have been applied (`--out-of-order skip`). */
  skipped: string[];
  /** Files that remain, because fewer were asked for. */
  pending: string[];
  schemaVersion: string | null;
}

/** Applies what is pending, one transaction a file. */
export async function applyPending(settings: Settings, given: UpOptions): Promise<UpResult> {
  const options = { outOfOrder: settings.migrations.outOfOrder, ...given };
  const files = findFiles(settings.migrations).filter(
    ({ version }) => !options.only || options.only.has(version),
  );
  // A look without the lock first: most runs have nothing to do, and need not wait for a dump.
  const seen = await withSession(settings, { purpose: "migrate up" }, async (client) =>
    chooseFiles(compareFiles(files, await readHistory(client)), options),
  );
  if (seen.chosen.length === 0) return buildResult(settings, files, seen, []);
  // All of them before the first: a mistake in the last file is no reason to stop half-way.
  for (const { file } of seen.chosen) await inspectPart(readSource(file).up);
  return withRunner(settings, "migrate up", options, async (runner) => {
    const choice = chooseFiles(compareFiles(files, await readHistory(runner.client)), options);
    const versions = choice.chosen.map(({ file }) => file.version);
    await assertNotHeld(runner, versions, options.releaseHold ?? false);
    const applied: AppliedFile[] = [];
    for (const one of choice.chosen) {
      applied.push(await applyFile(runner, one, options));
    }
    return buildResult(settings, files, choice, applied);
  });
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
  if (late.length > 0 && mode === "refuse") throw outOfOrder(late);
  const wanted = comparison.files.filter(
    ({ state }) =>
      ["pending", "changed", "unfinished"].includes(state) ||
      (state === "out-of-order" && mode === "apply"),
  );
  assertNoUnfinishedDown(wanted);
  const versioned = wanted.filter(({ file }) => !file.repeatable);
  const end = countChosen(versioned, comparison, options);
  // Views and functions may need the newest tables, so they wait until all of those are there.
  const chosen = end < versioned.length ? versioned.slice(0, end) : wanted;
  return {
    comparison,
    chosen,
    skipped: mode === "skip" ? late.map(({ file }) => file.version) : [],
    left: wanted.slice(chosen.length).map(({ file }) => file.version),
  };
}

function assertNoUnfinishedDown(wanted: ComparedFile[]): void {
  const open = wanted.find(
    ({ row, state }) =>
      state === "unfinished" && (row?.progress as Progress | null)?.direction === "down",
  );
  if (open) {
    throw mistake(
      `undoing ${open.file.version} has not come to its end; run "pgstead migrate down"`,
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
