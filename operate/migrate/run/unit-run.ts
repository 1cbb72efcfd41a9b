import type { MigrationFile } from "../files/find-files.ts";
import type { Part } from "../files/source.ts";
import type { HistoryRow } from "../history/history.ts";
import { type Approval, buildProgressSql } from "../history/history-sql.ts";
import { asPgstead } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import type { Direction, Intent, Progress } from "./intent.ts";
import type { Unit } from "./split-units.ts";

/** A person's decision on a statement of which nothing shows whether it ran. */
export type Resolution = "retry" | "skip";

/** One run of a file that does not run in one transaction. */
export interface UnitRun {
  runner: Runner;
  file: MigrationFile;
  part: Part;
  direction: Direction;
  resolution?: Resolution | undefined;
  units: Unit[];
  /** SHA-256 of the units before each one, as `Progress` records it. */
  hashes: string[];
}

/** The row of an earlier run, and who approved this one. */
export interface UnitRunOptions extends Omit<UnitRun, "units" | "hashes"> {
  row?: HistoryRow | undefined;
  approval?: Approval | undefined;
}

/** SQL that records `done` finished units, and the statement that starts next. */
export function buildUnitProgress(
  { runner, file, direction, hashes }: UnitRun,
  done: number,
  intent?: Intent,
): string {
  const progress: Progress = {
    direction,
    doneHash: hashes[done] as string,
    ...(intent && { intent }),
  };
  return buildProgressSql(runner.client, file.version, done, progress);
}

/** Records it between two units, whatever role and path the file has set. */
export async function saveProgress(run: UnitRun, done: number, intent?: Intent): Promise<void> {
  const { client, settings } = run.runner;
  await asPgstead(client, settings, () => client.query(buildUnitProgress(run, done, intent)));
}
