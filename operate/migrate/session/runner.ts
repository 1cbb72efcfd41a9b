import type { Client } from "pg";
import {
  OPERATION_LOCK,
  tryAdvisoryLock,
  waitUntilFree,
  withOperationLock,
} from "../../connect/operation-lock.ts";
import { withSession } from "../../connect/session.ts";
import { NO_ACTIVE_TRANSACTION } from "../../connect/sqlstate.ts";
import type { Settings } from "../../settings.ts";
import { readHistory } from "../history/history.ts";
import { upgradeHistory } from "../history/history-table.ts";
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
  return withOperationLock(settings, { ...lock, ...whileHeld }, () =>
    // Scripts are cancelled; what cleans up after one of them is not.
    withSession(settings, { purpose, cancelsItself: true }, async (client) => {
      client.on("notice", ({ severity, code, message }) => {
        // Caused by our ROLLBACK after the transaction had already ended. Files cannot cause it.
        if (code === NO_ACTIVE_TRANSACTION) return;
        if (severity === "WARNING") note(`  warning: ${message}`);
      });
      if (settings.engine !== "embedded") {
        await waitUntilFree(lock, () => tryAdvisoryLock(client, [OPERATION_LOCK[0], 2]));
      }
      const runner = { client, settings, toolVersion, lockWaitMs, note };
      await prepareHistory(runner);
      return use(runner);
    }),
  );
}

/**
 * Undoes what earlier files SET. S8: without the check of the connection, which RESET ALL ends too, the
 * server may run the statement of a killed process for hours.
 */
export const buildReset = ({ engine }: Settings): string[] => [
  "reset all",
  "reset role",
  ...(engine === "embedded" ? [] : ["set client_connection_check_interval = '2s'"]),
];

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

/** Objects and the history belong to the owner, not to the role that logs in. */
export function buildSetRole(
  client: Client,
  { database: { owner } }: Settings,
  local = true,
): string[] {
  return owner ? [`set ${local ? "local " : ""}role ${client.escapeIdentifier(owner)}`] : [];
}
