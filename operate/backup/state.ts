import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "./folder.ts";

export interface Run {
  /** When the schedule called for it; null for a run by hand. */
  due: string | null;
  startedAt: string;
  finishedAt: string;
  outcome: "done" | "incomplete" | "failed" | "stopped";
  id: string | null;
  error: string | null;
}

/** What the scheduler remembers. It lies beside the backups, so that it survives every restart. */
export interface State {
  /** The newest due time that has been dealt with. */
  handled: string | null;
  /** Id of the run under way; of a run that was killed, once it is over. */
  running: string | null;
  last: Run | null;
  /** Of the runs since the newest that was done. */
  failures: number;
}

const EMPTY: State = { handled: null, running: null, last: null, failures: 0 };

const stateFile = (folder: string) => join(folder, "state", "scheduler.json");

export function readState(folder: string): State {
  try {
    return { ...EMPTY, ...JSON.parse(readFileSync(stateFile(folder), "utf8")) };
  } catch {
    // Missing, or cut off by a crash of the disk: the backups themselves say what there is.
    return EMPTY;
  }
}

export function writeState(folder: string, state: State): void {
  writeDurably(stateFile(folder), `${JSON.stringify(state, null, 2)}\n`);
}
