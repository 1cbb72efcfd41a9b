import { basename } from "node:path";
import type { Client } from "pg";
import { withClient } from "../database.ts";
import { ExitCode, ExpectedError, mistake } from "../error.ts";
import type { Settings } from "../settings.ts";
import { type Compared, type Comparison, compare } from "./compare.ts";
import { findFiles, type MigrationFile } from "./files.ts";
import { readHistory } from "./history.ts";
import { bootstrapHistory } from "./history-table.ts";
import { assertNothingAmiss, outOfOrder } from "./refusals.ts";
import { type RunOptions, withRunner } from "./session.ts";
import { readSource } from "./source.ts";
import { applyInTransaction, asOwner } from "./transaction.ts";

export type OutOfOrder = "refuse" | "apply" | "skip";

export interface UpOptions extends RunOptions {
  /** At most so many files. */
  count?: number;
  /** Up to and with this version. */
  to?: string;
  outOfOrder?: OutOfOrder;
}

export interface AppliedFile {
  version: string;
  statements: number;
  durationMs: number;
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
export async function up(settings: Settings, options: UpOptions): Promise<UpResult> {
  const files = findFiles(settings.migrations.folder);
  // A look without the lock first: most runs have nothing to do, and need not wait for a dump.
  const seen = await withClient(settings, { purpose: "migrate up" }, async (client) =>
    choose(compare(files, await readHistory(client)), options),
  );
  if (seen.chosen.length === 0) return result(settings, files, seen, []);
  for (const { file } of seen.chosen) readSource(file);
  return withRunner(settings, "migrate up", options, async (client) => {
    const history = await readHistory(client);
    await prepare(client, settings, history.layout);
    const choice = choose(compare(files, history), options);
    const applied: AppliedFile[] = [];
    for (const { file } of choice.chosen) {
      applied.push(await applyFile(client, settings, file, options));
    }
    return result(settings, files, choice, applied);
  });
}

async function prepare(client: Client, settings: Settings, layout: number): Promise<void> {
  await client.query(["begin;", ...asOwner(client, settings)].join("\n"));
  try {
    await bootstrapHistory(client, layout);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

async function applyFile(
  client: Client,
  settings: Settings,
  file: MigrationFile,
  { toolVersion, note }: UpOptions,
): Promise<AppliedFile> {
  const started = performance.now();
  try {
    const { up: part } = readSource(file);
    const statements = await applyInTransaction(client, settings, file, part, toolVersion);
    const durationMs = Math.round(performance.now() - started);
    note?.(`applied ${file.version} (${durationMs} ms)`);
    return { version: file.version, statements, durationMs };
  } catch (error) {
    if (error instanceof ExpectedError) throw error;
    throw new ExpectedError(
      ExitCode.mistake,
      `${basename(file.path)}: ${(error as Error).message}; nothing of this file was kept`,
      { cause: error },
    );
  }
}

interface Choice {
  comparison: Comparison;
  chosen: Compared[];
  skipped: string[];
  left: string[];
}

function choose(comparison: Comparison, options: UpOptions): Choice {
  assertNothingAmiss(comparison);
  const { outOfOrder: mode = "refuse" } = options;
  const late = comparison.files.filter(({ state }) => state === "out-of-order");
  if (late.length > 0 && mode === "refuse") throw outOfOrder(late);
  const wanted = comparison.files.filter(
    ({ state }) =>
      state === "pending" || state === "changed" || (state === "out-of-order" && mode === "apply"),
  );
  const versioned = wanted.filter(({ file }) => !file.repeatable);
  const end = limit(versioned, comparison, options);
  // Views and functions may need the newest tables, so they wait until all of those are there.
  const chosen = end < versioned.length ? versioned.slice(0, end) : wanted;
  return {
    comparison,
    chosen,
    skipped: mode === "skip" ? late.map(({ file }) => file.version) : [],
    left: wanted.slice(chosen.length).map(({ file }) => file.version),
  };
}

function limit(pending: Compared[], { files }: Comparison, { count, to }: UpOptions): number {
  if (to === undefined) return count ?? pending.length;
  const all = files.filter(({ file }) => !file.repeatable).map(({ file }) => file.version);
  if (!all.includes(to)) {
    throw mistake(`there is no migration "${to}"; the newest is "${all.at(-1) ?? "none"}"`);
  }
  const upTo = new Set(all.slice(0, all.indexOf(to) + 1));
  return pending.filter(({ file }) => upTo.has(file.version)).length;
}

function result(
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
