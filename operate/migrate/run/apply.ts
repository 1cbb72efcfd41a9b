import { readSource } from "../files/source.ts";
import type { ComparedFile } from "../history/compare-files.ts";
import { type Approval, buildAppliedSql } from "../history/history.ts";
import { inspectPart, type Runnable } from "../history/inspect-part.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";
import { runBackfill } from "./backfill.ts";
import { runLargeFile } from "./large-file.ts";
import { type Resolution, runStepwise } from "./no-transaction.ts";
import { buildCleanStart, runInTransaction } from "./transaction.ts";

export interface AppliedFile {
  version: string;
  statements: number;
  durationMs: number;
}

/** What a person said that the file alone does not. */
export interface OperatorDecision {
  resolution?: Resolution | undefined;
  approval?: Approval | undefined;
}

/** Runs one file up, in the way it asks for, and records it. */
export async function applyFile(
  runner: Runner,
  { file, row, known = Boolean(row) }: ComparedFile & { known?: boolean },
  { resolution, approval }: OperatorDecision = {},
): Promise<AppliedFile> {
  const { client, settings, toolVersion, note } = runner;
  const started = performance.now();
  const { part, sql, mode, statements } = await inspectPart(readSource(file).up);
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
      buildAppliedSql(client, file, toolVersion, {
        ...{ statements: count, known },
        ...(approval && { approval }),
      });
    if (how === "large") return runLargeFile(runner, part, record);
    return runInTransaction(runner, {
      part,
      before: buildCleanStart(client, settings, part),
      sql,
      start: 0,
      // The file may have switched roles, and the history is the owner's.
      after: ["reset role", ...buildSetRole(client, settings), record(statements)],
    });
  }
}
