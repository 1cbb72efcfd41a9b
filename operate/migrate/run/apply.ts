import { readSource } from "../files/source.ts";
import type { Compared } from "../history/compare-files.ts";
import { type Approval, appliedRow } from "../history/history.ts";
import { inspect, type Runnable } from "../history/inspect.ts";
import { type Runner, setRole } from "../session/runner.ts";
import { runBackfill } from "./backfill.ts";
import { runLarge } from "./large-file.ts";
import { type Resolution, runStepwise } from "./no-transaction.ts";
import { cleanStart, runInTransaction } from "./transaction.ts";

export interface AppliedFile {
  version: string;
  statements: number;
  durationMs: number;
}

/** What a person said that the file alone does not. */
export interface Word {
  resolution?: Resolution | undefined;
  approval?: Approval | undefined;
}

/** Runs one file up, in the way it asks for, and records it. */
export async function applyFile(
  runner: Runner,
  { file, row, known = Boolean(row) }: Compared & { known?: boolean },
  { resolution, approval }: Word = {},
): Promise<AppliedFile> {
  const { client, settings, toolVersion, note } = runner;
  const started = performance.now();
  const { part, sql, mode, statements } = await inspect(readSource(file).up);
  const done = await runAs(mode);
  const durationMs = Math.round(performance.now() - started);
  note(`applied ${file.version} (${durationMs} ms)`);
  return { version: file.version, statements: done, durationMs };

  function runAs(how: Runnable["mode"]): Promise<number> {
    if (how === "backfill") return runBackfill(runner, file, part, row);
    if (how === "no-transaction") {
      return runStepwise({ runner, file, part, direction: "up", row, resolution });
    }
    const record = (count: number) =>
      appliedRow(client, file, toolVersion, {
        ...{ statements: count, known },
        ...(approval && { approval }),
      });
    if (how === "large") return runLarge(runner, part, record);
    return runInTransaction(runner, {
      part,
      before: cleanStart(client, settings, part),
      sql,
      start: 0,
      // The file may have switched roles, and the history is the owner's.
      after: ["reset role", ...setRole(client, settings), record(statements)],
    });
  }
}
