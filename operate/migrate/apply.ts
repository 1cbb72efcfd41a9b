import { runBackfill } from "./backfill.ts";
import type { Compared } from "./compare.ts";
import { type Approval, appliedRow } from "./history.ts";
import { inspect } from "./inspect.ts";
import { type Resolution, runStepwise } from "./no-transaction.ts";
import { type Runner, setRole } from "./runner.ts";
import { readSource } from "./source.ts";
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
  const { part, sql, mode } = await inspect(readSource(file).up);
  const statements =
    mode === "backfill"
      ? await runBackfill(runner, file, part, row)
      : mode === "no-transaction"
        ? await runStepwise({ runner, file, part, direction: "up", row, resolution })
        : await runInTransaction(runner, {
            part,
            before: cleanStart(client, settings, part),
            sql,
            start: 0,
            after: [
              // The file may have switched roles, and the history is the owner's.
              "reset role",
              ...setRole(client, settings),
              appliedRow(client, file, toolVersion, known, approval),
            ],
          });
  const durationMs = Math.round(performance.now() - started);
  note(`applied ${file.version} (${durationMs} ms)`);
  return { version: file.version, statements, durationMs };
}
