import { withSession } from "../../connect/session.ts";
import { ExitCode, ExpectedError } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles } from "../files/find-files.ts";
import { compareFiles, type FileState } from "../history/compare-files.ts";
import { type History, readHistory } from "../history/history.ts";

export interface ListedMigration {
  version: string;
  /** Runs again whenever its file changes, after all others. Used for views and functions. */
  repeatable: boolean;
  state: FileState | "missing";
  appliedAt: string | null;
  durationMs: number | null;
  appliedBy: string | null;
  /** Why the row exists: run from a file, stamped, or adopted from another tool. */
  origin: string | null;
}

export interface ListResult {
  database: string;
  schemaVersion: string | null;
  pending: number;
  /** Edited, missing, unfinished or out of order: `up` stops at these. */
  amiss: number;
  migrations: ListedMigration[];
}

export interface ListOptions {
  /** For previews: a database that cannot be reached counts as empty. */
  allowUnreachable?: boolean;
}

/** Lists applied and pending migrations from one read of the history. */
export async function listMigrations(
  settings: Settings,
  options: ListOptions = {},
): Promise<ListResult> {
  const files = findFiles(settings.migrations);
  const history = await withSession(settings, { purpose: "migrate list" }, readHistory).catch(
    (error) => {
      const unreachable = error instanceof ExpectedError && error.exitCode === ExitCode.unreachable;
      if (options.allowUnreachable && unreachable) return EMPTY_HISTORY;
      throw error;
    },
  );
  const { files: compared, missing } = compareFiles(files, history);
  const migrations: ListedMigration[] = [
    ...compared.map(({ file, state, row }) => describeMigration(file, state, row)),
    ...missing.map(({ row }) => describeMigration(row, "missing" as const, row)),
  ];
  const count = (...states: ListedMigration["state"][]) =>
    migrations.filter(({ state }) => states.includes(state)).length;
  const applied = compared.filter(({ file, state }) => state === "applied" && !file.repeatable);
  return {
    database: settings.database.name,
    schemaVersion: applied.at(-1)?.file.version ?? null,
    pending: count("pending", "changed", "out-of-order"),
    amiss: count("edited", "missing", "unfinished", "out-of-order"),
    migrations,
  };
}

function describeMigration(
  { version, repeatable }: { version: string; repeatable: boolean },
  state: ListedMigration["state"],
  row?: { finishedAt: string | null; durationMs: number | null; appliedBy: string; origin: string },
): ListedMigration {
  const shown = state === "pending" || state === "out-of-order" ? undefined : row;
  return {
    version,
    repeatable,
    state,
    appliedAt: shown?.finishedAt ?? null,
    durationMs: shown?.durationMs ?? null,
    appliedBy: shown?.appliedBy ?? null,
    origin: shown?.origin ?? null,
  };
}

const EMPTY_HISTORY: History = { layout: 0, rows: new Map() };
