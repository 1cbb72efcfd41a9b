import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { unreachable } from "../error.ts";
import { isLockHolder, tryFileLock } from "../file-lock.ts";
import type { Settings } from "../settings.ts";
import { stopSignal } from "../stop.ts";
import { NO_TIME_LIMITS, withClient } from "./database.ts";
import { assertOwnSession } from "./pooler.ts";

/** "pgst" in ASCII, and 1: two int4 keys, which pg_locks shows as classid and objid. */
export const OPERATION_LOCK = [0x70677374, 1] as const;

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

/**
 * Allows one operation at a time on one server: a migration, a dump or a restore. The lock is polled.
 * A session that waits inside `pg_advisory_lock` holds a snapshot, and a CREATE INDEX CONCURRENTLY of
 * the lock's holder waits for all older snapshots: a deadlock.
 */
export async function withOperationLock<T>(
  settings: Settings,
  options: LockOptions,
  use: () => Promise<T>,
): Promise<T> {
  // All clients of PGlite share one session, so each of them gets every advisory lock.
  if (settings.engine === "embedded") {
    return withFileLock(locateOperationLock(settings), options, use);
  }
  // Advisory locks belong to a database, so all operations meet in the one every server has.
  const connection = { purpose: options.purpose, database: "postgres", cancelsItself: true };
  return withClient(settings, connection, async (client) => {
    await assertOwnSession(settings, client);
    await client.query(NO_TIME_LIMITS.join(";"));
    await waitUntilFree(options, () => tryAdvisoryLock(client, OPERATION_LOCK));
    return use();
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

/** Returns undefined when this session got the lock, otherwise a description of the holder. */
export async function tryAdvisoryLock(
  client: Client,
  [high, low]: readonly [number, number],
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select pg_try_advisory_lock(${high}, ${low}) as ours, (
       select format('pid %s (%s%s%s)', a.pid, nullif(a.application_name, ''),
         ', since ' || to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SSOF'),
         ', ' || a.client_addr)
       from pg_locks l join pg_stat_activity a using (pid)
       where l.locktype = 'advisory' and l.granted and l.classid = ${high} and l.objid = ${low}
         and l.database = (select oid from pg_database where datname = current_database())
       limit 1) as holder`,
  );
  return rows[0].ours ? undefined : (rows[0].holder ?? "a process that has just ended");
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
    await sleep(pause, undefined, { signal: signal ?? stopSignal });
  }
}
