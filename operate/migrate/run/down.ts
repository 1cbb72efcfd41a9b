import { withSession } from "../../connect/session.ts";
import { mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile, nameOf } from "../files/files.ts";
import { type Part, readSource } from "../files/source.ts";
import {
  type Approval,
  type History,
  type Recorded,
  readHistory,
  undoneRow,
} from "../history/history.ts";
import { inspect } from "../history/inspect.ts";
import { type Runner, type RunOptions, setRole, withRunner } from "../session/runner.ts";
import { approve, type GivenApproval } from "./approval.ts";
import type { Progress } from "./intent.ts";
import { type Resolution, runStepwise } from "./no-transaction.ts";
import { cleanStart, runInTransaction } from "./transaction.ts";

export interface DownOptions extends RunOptions {
  /** So many of those applied last. */
  count?: number;
  /** All that came after this version; `base`: all there are. */
  to?: string;
  approval?: GivenApproval;
  resolution?: Resolution;
}

export interface DownResult {
  database: string;
  undone: { version: string; durationMs: number }[];
  schemaVersion: string | null;
}

interface Step {
  file: MigrationFile;
  row: Recorded;
  part: Part;
}

/** Undoes what was applied last, newest first; nothing at all when one of them cannot be undone. */
export async function down(settings: Settings, options: DownOptions): Promise<DownResult> {
  const approval = await approve(settings, "down", options.approval ?? {});
  const files = findFiles(settings.migrations);
  const plan = async (history: History) => {
    const steps = choose(files, history, options).map((row) => stepFor(row, files));
    for (const { part } of steps) await inspect(part);
    return steps;
  };
  const client = { purpose: "migrate down" };
  const seen = await withSession(settings, client, async (c) => plan(await readHistory(c)));
  const undone: DownResult["undone"] = [];
  if (seen.length > 0) {
    await withRunner(settings, "migrate down", options, async (runner) => {
      for (const step of await plan(await readHistory(runner.client))) {
        undone.push(await undo(runner, step, approval, options.resolution));
      }
    });
  }
  const history = await withSession(settings, client, readHistory);
  const left = files.filter(
    ({ version, repeatable }) => !repeatable && history.rows.get(version)?.state === "applied",
  );
  return { database: settings.database.name, undone, schemaVersion: left.at(-1)?.version ?? null };
}

/** In the reverse of the order they were applied in, which is not always that of their names. */
function choose(files: MigrationFile[], { rows }: History, { count, to }: DownOptions): Recorded[] {
  const applied = [...rows.values()]
    .filter(({ state, repeatable }) => state !== "undone" && !repeatable)
    .reverse();
  if (to === undefined) return applied.slice(0, count ?? 1);
  if (to === "base") return applied;
  if (!rows.has(to) || rows.get(to)?.state === "undone") {
    throw mistake(`"${to}" is not applied; the newest is "${applied[0]?.version ?? "none"}"`);
  }
  const order = files.map(({ version }) => version);
  return applied.filter(({ version }) => order.indexOf(version) > order.indexOf(to));
}

function stepFor(row: Recorded, files: MigrationFile[]): Step {
  const file = files.find(({ version }) => version === row.version);
  if (!file) {
    throw refused(`"${row.version}" has no file here any more, so there is no down part to run`);
  }
  if (row.checksum !== file.normalised) {
    throw refused(`${nameOf(file.path)} was edited after it was applied; bring it back first`);
  }
  if (row.state === "applying" && (row.progress as Progress | null)?.direction !== "down") {
    throw refused(`"${row.version}" is half applied; finish it with "pgstead migrate up" first`);
  }
  const { up, down: part } = readSource(file);
  const reason = up.directives.irreversible ?? part?.directives.irreversible;
  if (reason) throw refused(`${nameOf(file.path)} cannot be undone: ${reason}`);
  if (!part) {
    throw mistake(
      `${nameOf(file.path)} has no down part; write one below a line "-- migrate:down", or go forward with a new file`,
    );
  }
  return { file, row, part };
}

async function undo(
  runner: Runner,
  { file, row, part }: Step,
  approval: Approval | undefined,
  resolution: Resolution | undefined,
) {
  const { client, settings, note } = runner;
  const started = performance.now();
  const { sql, mode } = await inspect(part);
  const finish = undoneRow(client, file.version, approval);
  if (mode === "no-transaction") {
    await runStepwise({ runner, file, part, direction: "down", row, resolution, finish });
  } else {
    await runInTransaction(runner, {
      part,
      before: cleanStart(client, settings, part),
      sql,
      start: 0,
      after: ["reset role", ...setRole(client, settings), finish],
    });
  }
  const durationMs = Math.round(performance.now() - started);
  note(`undone ${file.version} (${durationMs} ms)`);
  return { version: file.version, durationMs };
}
