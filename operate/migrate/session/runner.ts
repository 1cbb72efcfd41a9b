import type { Client } from "pg";
import { type HeldLock, waitUntilFree, withOperationLock } from "../../connect/operation-lock.ts";
import { assertOwnSession } from "../../connect/pooler.ts";
import { withSession } from "../../connect/session.ts";
import { markSession, trySessionLock } from "../../connect/session-lock.ts";
import { NO_ACTIVE_TRANSACTION } from "../../connect/sqlstate.ts";
import { refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { stopSignal } from "../../stop.ts";
import { readHistory } from "../history/history.ts";
import { isNotWritten } from "../history/history-sql.ts";
import { upgradeHistory } from "../history/history-table.ts";
import { buildSetRole, clearSession, prepareSession } from "./file-session.ts";
import { endDump } from "./preempt.ts";

export interface RunOptions {
  toolVersion: string;
  /** Longest time to wait for another operation. */
  waitMs?: number;
  /** Longest time to retry when other sessions hold a lock. */
  lockWaitMs?: number;
  /** End a dump instead of waiting for it. */
  preempt?: boolean;
  note?: (line: string) => void;
}

/** The session and options that every step of a run needs. */
export interface Runner {
  client: Client;
  settings: Settings;
  toolVersion: string;
  lockWaitMs: number;
  note: (line: string) => void;
  /** Clears the session before a file, so that it finds nothing of earlier ones. */
  startOver: () => Promise<void>;
}

export const DEFAULT_WAIT_S = 600;
export const DEFAULT_LOCK_WAIT_S = 60;

/**
 * Opens the session for migrations and updates the history's layout. The session holds a second lock
 * besides the operation lock. If the connection with the operation lock breaks, or this process is
 * killed while the server still runs a statement, a second runner waits for this lock.
 */
export async function withRunner<T>(
  settings: Settings,
  purpose: string,
  options: RunOptions,
  use: (runner: Runner) => Promise<T>,
): Promise<T> {
  const { toolVersion, note = () => {}, waitMs = DEFAULT_WAIT_S * 1000 } = options;
  const lockWaitMs = options.lockWaitMs ?? DEFAULT_LOCK_WAIT_S * 1000;
  const lock = { purpose, waitMs, note };
  const whileHeld = options.preempt && { whileHeld: () => endDump(settings, note) };
  return withOperationLock(settings, { ...lock, ...whileHeld }, (held) =>
    // Scripts are cancelled; what cleans up after one of them is not.
    withSession(settings, { purpose, cancelsItself: true }, async (client) => {
      client.on("notice", ({ severity, code, message }) => {
        // Caused by our ROLLBACK after the transaction had already ended. Files cannot cause it.
        if (code === NO_ACTIVE_TRANSACTION) return;
        if (severity === "WARNING") note(`  warning: ${message}`);
      });
      if (settings.engine !== "embedded") {
        endOnLoss(client, held);
        held.lost.throwIfAborted();
        await assertOwnSession(settings, client);
        await prepareSession(client, settings);
        const options = { ...(held.pid && { ownPid: held.pid }) };
        await waitUntilFree({ ...lock, signal: AbortSignal.any([held.lost, stopSignal]) }, () =>
          trySessionLock(client, options),
        );
      }
      let isFresh = true;
      const startOver = async () => {
        if (!isFresh) {
          await clearSession(client, settings);
          if (settings.engine !== "embedded") await markSession(client);
        }
        isFresh = false;
      };
      const runner = { client, settings, toolVersion, lockWaitMs, note, startOver };
      await prepareHistory(runner);
      try {
        return await use(runner);
      } catch (error) {
        throw explainDiscardedWrite(error as Error);
      } finally {
        if (settings.engine === "embedded") await clearSession(client, settings).catch(() => {});
      }
    }),
  );
}

/**
 * Another operation may begin, so this one must not go on. The server notices within seconds that the
 * client is gone; until then the second lock keeps a second runner waiting.
 */
function endOnLoss(client: Client, { lost }: HeldLock): void {
  lost.addEventListener("abort", () => client.end().catch(() => {}), { once: true });
}

function explainDiscardedWrite(error: Error): Error {
  if (!isNotWritten(error) && !isNotWritten(error.cause)) return error;
  return refused(
    `a trigger on pgstead.schema_migrations discarded the history row, so the transaction was rolled back; remove the trigger, then run the command again`,
    error,
  );
}

async function prepareHistory({ client, settings }: Runner): Promise<void> {
  const { layout } = await readHistory(client);
  await client.query(["begin", ...buildSetRole(client, settings)].join(";"));
  try {
    await upgradeHistory(client, layout);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

export { buildSetRole };
