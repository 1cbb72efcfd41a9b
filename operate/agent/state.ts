import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeDurably } from "../durable-write.ts";

/** A scheduled backup that has ended. */
export interface Run {
  /** The scheduled time. */
  due: string;
  startedAt: string;
  finishedAt: string;
  outcome: "done" | "incomplete" | "not uploaded" | "failed" | "stopped";
  id: string | null;
  error: string | null;
}

/** The scheduler's state file, `state/scheduler.json` beside the backups: it survives restarts. */
export interface State {
  /** The newest due time that has a dump. */
  handled: string | null;
  last: Run | null;
  /** Failed attempts since the last success. */
  failures: number;
  /** The last verification. Its result is in the backup's proof. */
  proving: { id: string; finishedAt: string; failures: number; error: string | null } | null;
  /** When the schedule first ran. A backup cannot be late before that. */
  since: string | null;
  /** Set after the webhook got "failing", until it gets "recovered". */
  alarm: { since: string } | null;
  /** `verifiedAt` of the proof that was last sent to the ping address. */
  pinged: string | null;
}

const EMPTY: State = {
  ...{ handled: null, last: null, failures: 0, proving: null },
  ...{ since: null, alarm: null, pinged: null },
};

const stateFile = (folder: string) => join(folder, "state", "scheduler.json");

export function readState(folder: string): State {
  try {
    return { ...EMPTY, ...JSON.parse(readFileSync(stateFile(folder), "utf8")) };
  } catch {
    // The file is missing or damaged: the scheduler then goes by the backups in the folder.
    return EMPTY;
  }
}

/** Reads the file again first: another agent on the same volume may have written it. */
export function updateState(folder: string, change: Partial<State>): void {
  const state = { ...readState(folder), ...change };
  mkdirSync(dirname(stateFile(folder)), { recursive: true, mode: 0o700 });
  writeDurably(stateFile(folder), `${JSON.stringify(state, null, 2)}\n`);
}
