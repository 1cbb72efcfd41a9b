import { runBackfill } from "./backfill.ts";
import type { Compared } from "./compare.ts";
import { finishRow, startRow } from "./history.ts";
import { inspect } from "./inspect.ts";
import { type Resolution, runStepwise } from "./no-transaction.ts";
import type { Runner } from "./runner.ts";
import { readSource } from "./source.ts";
import { cleanStart, runInTransaction } from "./transaction.ts";

export interface AppliedFile {
  version: string;
  statements: number;
  durationMs: number;
}

/** Runs one file up, in the way it asks for, and records it. */
export async function applyFile(
  runner: Runner,
  { file, row }: Compared,
  resolution?: Resolution,
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
            before: [...cleanStart(client, settings, part), startRow(client, file, toolVersion)],
            sql,
            start: 0,
            after: ["reset role", ...ownerAgain(runner), finishRow(client, file.version)],
          });
  const durationMs = Math.round(performance.now() - started);
  note(`applied ${file.version} (${durationMs} ms)`);
  return { version: file.version, statements, durationMs };
}

/** The file may have switched roles, and the history is the owner's. */
const ownerAgain = ({ client, settings }: Runner) =>
  settings.database.owner
    ? [`set local role ${client.escapeIdentifier(settings.database.owner)}`]
    : [];
