import { shortenPath } from "../files/find-files.ts";
import { readSource } from "../files/source.ts";
import type { ComparedFile } from "../history/compare-files.ts";
import { type Approval, buildAppliedSql } from "../history/history-sql.ts";
import { inspectPart, type Runnable } from "../history/inspect-part.ts";
import { buildOwnSettings } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import { isBlank } from "../sql/statements.ts";
import { assertSameMode } from "./assert-same-mode.ts";
import { runBackfill } from "./backfill.ts";
import { buildConsequence } from "./explain-failure.ts";
import { runLargeFile } from "./large-file.ts";
import { runUnits } from "./no-transaction.ts";
import { buildCleanStart, runInTransaction } from "./transaction.ts";
import type { Resolution } from "./unit-run.ts";

export interface AppliedFile {
  version: string;
  statements: number;
  durationMs: number;
}

/** A person's decisions about a file. */
export interface OperatorDecision {
  resolution?: Resolution | undefined;
  approval?: Approval | undefined;
}

/** Runs the up part of one file in the mode that the file needs, and records it. */
export async function applyFile(
  runner: Runner,
  { file, row }: ComparedFile,
  { resolution, approval }: OperatorDecision = {},
): Promise<AppliedFile> {
  const { client, settings, toolVersion, note } = runner;
  const started = performance.now();
  const { part, sql, mode, statements } = await inspectPart(readSource(file).up);
  assertSameMode(row, { part, mode, direction: "up" });
  if (!part.large && isBlank(part.sql))
    note(`  ${shortenPath(file.path)} has no statement; it is only recorded`);
  await runner.startOver();
  const statementsDone = await runAs(mode);
  const durationMs = Math.round(performance.now() - started);
  note(`applied ${file.version} (${durationMs} ms)`);
  return { version: file.version, statements: statementsDone, durationMs };

  function runAs(wanted: Runnable["mode"]): Promise<number> {
    if (wanted === "backfill") return runBackfill(runner, file, part, { row, approval });
    if (wanted === "no-transaction") {
      return runUnits({ runner, file, part, direction: "up", row, resolution, approval });
    }
    const record = (count: number) =>
      buildAppliedSql(client, file, toolVersion, {
        statements: count,
        ...(row && { row }),
        ...(approval && { approval }),
      });
    const consequence = buildConsequence(file, "up");
    if (wanted === "large")
      return runLargeFile(runner, { part, hash: file.raw, record, consequence });
    return runInTransaction(runner, {
      part,
      before: buildCleanStart(client, settings, part),
      sql,
      start: 0,
      // The file may have changed the role, and the history belongs to the owner.
      after: [...buildOwnSettings(client, settings), record(statements)],
      consequence,
    });
  }
}
