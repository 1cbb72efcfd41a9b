import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeDurably } from "../durable-write.ts";

export interface Run {
  /** When the schedule called for it. */
  due: string;
  startedAt: string;
  finishedAt: string;
  outcome: "done" | "incomplete" | "not uploaded" | "failed" | "stopped";
  id: string | null;
  error: string | null;
}

/** What the scheduler remembers. It lies beside the backups, so that it survives every restart. */
export interface State {
  /** The newest due time that a dump has been taken for. */
  handled: string | null;
  last: Run | null;
  /** Tries since something went as it should. */
  failures: number;
  /** The last verification; what came of it stands in the backup's proof. */
  proving: { id: string; finishedAt: string; failures: number; error: string | null } | null;
  /** When the schedule was first served: what cannot be there yet is not late. */
  since: string | null;
  /** Set while the webhook has been told of a failure and not of its end. */
  alarm: { since: string } | null;
  /** When the backup was proven that the dead man's switch was last told of. */
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
    // Missing, or cut off by a crash of the disk: the backups themselves say what there is.
    return EMPTY;
  }
}

export function writeState(folder: string, state: State): void {
  mkdirSync(dirname(stateFile(folder)), { recursive: true, mode: 0o700 });
  writeDurably(stateFile(folder), `${JSON.stringify(state, null, 2)}\n`);
}
