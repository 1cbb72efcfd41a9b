import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { unreachable } from "../error.ts";
import { isLockHolder, tryFileLock } from "../file-lock.ts";
import type { Settings } from "../settings.ts";
import { stopSignal } from "../stop.ts";
import { withClient } from "./database.ts";
import { assertOwnSession } from "./pooler.ts";

/** "pgstead" as a number: two int4 keys, so that it shows in pg_locks as classid and objid. */
export const OPERATION_LOCK = [0x70677374, 1] as const;

export interface LockOptions {
  /** Shown to whoever waits: `migrate up`. */
  purpose: string;
  /** Give up after this long. */
  waitMs: number;
  note?: (line: string) => void;
  /** Called about every second while somebody else has it. */
  whileHeld?: () => Promise<void>;
  /** Ends the waiting; what runs under the lock minds it by itself. */
  signal?: AbortSignal;
}

/**
 * One operation at a time on one server: a migration, a dump, a restore. Polled, because waiting
 * inside `pg_advisory_lock` holds a snapshot, and a CREATE INDEX CONCURRENTLY of the holder waits for
 * all older snapshots: a deadlock.
 */
export async function withOperationLock<T>(
  settings: Settings,
  options: LockOptions,
  use: () => Promise<T>,
): Promise<T> {
  // PGlite's clients share one session, to which every advisory lock is granted.
  if (settings.engine === "embedded") {
    return withFileLock(locateOperationLock(settings), options, use);
  }
  // Advisory locks belong to a database, so all operations meet in the one every server has.
  const connection = { purpose: options.purpose, database: "postgres", cancelsItself: true };
  return withClient(settings, connection, async (client) => {
    await assertOwnSession(settings, client);
    await waitUntilFree(options, () => tryAdvisoryLock(client, OPERATION_LOCK));
    return use();
  });
}

/** Of an embedded server; a scratch server has no folder but that of its socket. */
export const locateOperationLock = (settings: Settings) =>
  join(settings.embedded?.folder ?? settings.database.host, "operation.lock");

/** Waits for a file's lock, tells who has it, and holds it as long as `use` takes. */
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

/** Undefined once it is ours, else who has it. */
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
  return rows[0].ours ? undefined : (rows[0].holder ?? "a holder that has just gone");
}

/** Asks again and again until `tryOnce` names no holder. */
export async function waitUntilFree(
  { waitMs, note, purpose, signal, whileHeld }: LockOptions,
  tryOnce: () => Promise<string | undefined>,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  let told = "";
  let calledAt = 0;
  for (;;) {
    const holder = await tryOnce();
    if (!holder) return;
    if (holder !== told) note?.(`waiting for ${holder}`);
    told = holder;
    if (Date.now() - calledAt >= 1000) {
      await whileHeld?.();
      calledAt = Date.now();
    }
    if (Date.now() >= deadline) {
      throw unreachable(
        `${purpose} waited ${Math.round(waitMs / 1000)} s for ${holder}; it runs alone on a server, try again when that is done`,
      );
    }
    // Not in step with others who wait.
    const pause = Math.min(100 + Math.random() * 200, Math.max(1, deadline - Date.now()));
    await sleep(pause, undefined, { signal: signal ?? stopSignal });
  }
}
