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
  /** How long to wait for another operation. */
  waitMs?: number;
  /** How long to go on trying for a lock that others hold. */
  lockWaitMs?: number;
  /** Ends a dump that it would wait for. */
  preempt?: boolean;
  note?: (line: string) => void;
}

/** What every step of a run needs. */
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
 * The session that migrations run in, with an up-to-date history. Beside the server's operation lock
 * it holds one of its own: should the other connection break, or this process be killed while the
 * server goes on with its last statement, a second runner still finds this one at work.
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
    withSession(settings, { purpose }, async (client) => {
      client.on("notice", ({ severity, code, message }) => {
        // Our own ROLLBACK after an error that had ended the transaction already; files have none.
        if (code === NO_ACTIVE_TRANSACTION) return;
        if (severity === "WARNING") note(`  warning: ${message}`);
      });
      if (settings.engine !== "embedded") {
        await waitUntilFree(lock, () => tryAdvisoryLock(client, [OPERATION_LOCK[0], 2]));
        await enableConnectionCheck(client);
      }
      const runner = { client, settings, toolVersion, lockWaitMs, note };
      await prepareHistory(runner);
      return use(runner);
    }),
  );
}

/** Without it a server goes on for hours with the statement of a process that was killed. */
async function enableConnectionCheck(client: Client): Promise<void> {
  await client.query("set client_connection_check_interval = '2s'").catch(() => {});
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

/** Objects and the history belong to the owner, whoever logs in. */
export function buildSetRole(
  client: Client,
  { database: { owner } }: Settings,
  local = true,
): string[] {
  return owner ? [`set ${local ? "local " : ""}role ${client.escapeIdentifier(owner)}`] : [];
}
