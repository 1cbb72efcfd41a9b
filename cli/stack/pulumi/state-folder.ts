import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { refused } from "../../../operate/error.ts";
import { readStartTime } from "../../../operate/process-identity.ts";

/** The state's folder if it is on this machine, else undefined. */
function stateFolder(backend: string): string | undefined {
  return backend.startsWith("file:///") ? join(fileURLToPath(backend), ".pulumi") : undefined;
}

/** Whether the state has the stack; undefined for a backend that only Pulumi can ask. */
export function stackExists(backend: string, project: string, stack: string): boolean | undefined {
  const folder = stateFolder(backend);
  if (!folder) return undefined;
  return ["json", "json.gz"].some((suffix) =>
    existsSync(join(folder, "stacks", project, `${stack}.${suffix}`)),
  );
}

interface StateLock {
  pid: number;
  hostname: string;
  username: string;
  timestamp: string;
}

/**
 * An `up` that was killed leaves its lock. Removes the lock if its process on this host has ended;
 * fails if the process lives.
 */
export function clearStaleLocks(
  backend: string,
  project: string,
  stack: string,
  note: (line: string) => void,
): void {
  const state = stateFolder(backend);
  if (!state) return;
  const folder = join(state, "locks", "organization", project, stack);
  if (!existsSync(folder)) return;
  // Beside each lock Pulumi keeps a file of attributes, `.attrs`.
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".json"))) {
    const file = join(folder, name);
    const lock = readLock(file);
    if (lock && isHeld(lock)) {
      throw refused(
        `another run is at work on stack "${stack}": process ${lock.pid} of ${lock.username} on ${lock.hostname} since ${lock.timestamp}; wait for it, or end it`,
      );
    }
    note(`removed the lock of a run that was ended (process ${lock?.pid ?? "unknown"})`);
    for (const stale of [file, `${file}.attrs`]) rmSync(stale, { force: true });
  }
}

function readLock(file: string): StateLock | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** A process on another host cannot be asked, so it counts as alive. */
const isHeld = (lock: StateLock) =>
  lock.hostname !== hostname() || readStartTime(lock.pid) !== undefined;
