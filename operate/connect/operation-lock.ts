import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { type ExpectedError, unreachable } from "../error.ts";
import { isLockHolder, tryFileLock } from "../file-lock.ts";
import type { Settings } from "../settings.ts";
import { Stopped, stopSignal } from "../stop.ts";
import { NO_TIME_LIMITS } from "./database.ts";
import { assertOwnSession } from "./pooler.ts";
import { withSession } from "./session.ts";
import { trySessionLock } from "./session-lock.ts";

export interface LockOptions {
  /** Shown to processes that wait for the lock: `migrate up`. */
  purpose: string;
  /** Longest time to wait. */
  waitMs: number;
  note?: (line: string) => void;
  /** Called about every second while another process holds the lock. */
  whileHeld?: () => Promise<void>;
  /** Ends the wait. It does not end what runs under the lock. */
  signal?: AbortSignal;
}

export interface OperationLockOptions extends LockOptions {
  /** Role that runs migrations, if this session logs in as another one. */
  login?: string;
}

/** The operation lock while an operation runs. */
export interface HeldLock {
  /** Aborted when the session with the lock has ended. Then another operation may begin. */
  lost: AbortSignal;
  /** The server's process of that session. @default - the lock is a file */
  pid?: number;
}

/**
 * Allows one operation at a time on one server: a migration, a dump or a restore. The lock is polled.
 * A session that waits inside `pg_advisory_lock` holds a snapshot, and a CREATE INDEX CONCURRENTLY of
 * the lock's holder waits for all older snapshots: a deadlock.
 */
export async function withOperationLock<T>(
  settings: Settings,
  options: OperationLockOptions,
  use: (lock: HeldLock) => Promise<T>,
): Promise<T> {
  const { purpose, login } = options;
  const ended = new AbortController();
  const lost = ended.signal;
  // All clients of PGlite share one session, so each of them gets every advisory lock.
  if (settings.engine === "embedded") {
    return withFileLock(locateOperationLock(settings), options, () => use({ lost }));
  }
  const connection = { purpose, cancelsItself: true, keepAlive: true };
  return withSession(settings, connection, async (client) => {
    let reason = "";
    client.on("error", ({ message }) => {
      reason ||= message;
    });
    await assertOwnSession(settings, client);
    await client.query(NO_TIME_LIMITS.join(";"));
    const holders = { logins: login ? [login] : [] };
    await waitUntilFree(options, () => trySessionLock(client, holders));
    const pid = await readBackendPid(client);
    const onEnd = () => ended.abort(describeLoss(purpose, reason));
    client.on("end", onEnd);
    try {
      return await use({ lost, pid });
    } catch (error) {
      throw lost.aborted ? explainLoss(lost.reason, error as Error) : error;
    } finally {
      client.removeListener("end", onEnd);
    }
  });
}

/** Asked, because a pooler in session mode announces a process that it has invented. */
async function readBackendPid(client: Client): Promise<number> {
  const { rows } = await client.query("select pg_catalog.pg_backend_pid() as pid");
  return rows[0].pid;
}

const describeLoss = (purpose: string, reason: string) =>
  unreachable(
    `the session with the operation lock ended (${reason || "the connection was closed"}), so ${purpose} was stopped; run the command again`,
  );

/** The error of an operation whose lock was lost, with what it knows of its own outcome. */
function explainLoss(loss: ExpectedError, error: Error): Error {
  if (error === loss || error instanceof Stopped) return error;
  const { failure, doneBefore } = error as { failure?: unknown; doneBefore?: unknown };
  return Object.assign(unreachable(`${loss.message}\n${error.message}`, error), {
    ...(failure !== undefined && { failure }),
    ...(doneBefore !== undefined && { doneBefore }),
  });
}

/** The lock file of an embedded server. A scratch server has only the folder of its socket. */
export const locateOperationLock = (settings: Settings) =>
  join(settings.embedded?.folder ?? settings.database.host, "operation.lock");

/** Waits for a file lock, reports its holder, and holds the lock while `use` runs. */
export async function withFileLock<T>(
  path: string,
  options: LockOptions,
  use: () => Promise<T>,
): Promise<T> {
  let release = () => {};
  await waitUntilFree(options, async () => {
    const result = tryFileLock(path, options.purpose);
    if (isLockHolder(result))
      return `process ${result.pid} (${result.purpose}, since ${result.since})`;
    release = () => result.release();
    return undefined;
  });
  try {
    return await use();
  } finally {
    release();
  }
}

/** Calls `tryOnce` until it returns no holder. */
export async function waitUntilFree(
  { waitMs, note, purpose, signal, whileHeld }: LockOptions,
  tryOnce: () => Promise<string | undefined>,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  let reported = "";
  let calledAt = 0;
  for (;;) {
    const holder = await tryOnce();
    if (!holder) return;
    if (holder !== reported) note?.(`waiting for ${holder}`);
    reported = holder;
    if (Date.now() - calledAt >= 1000) {
      await whileHeld?.();
      calledAt = Date.now();
    }
    if (Date.now() >= deadline) {
      throw unreachable(
        `${purpose} waited ${Math.round(waitMs / 1000)} s for ${holder}; only one operation may run on a server, try again when that one has ended`,
      );
    }
    // Random, so that waiting processes do not all try at the same moment.
    const pause = Math.min(100 + Math.random() * 200, Math.max(1, deadline - Date.now()));
    const stopped = signal ?? stopSignal;
    await sleep(pause, undefined, { signal: stopped }).catch(() => stopped.throwIfAborted());
  }
}
