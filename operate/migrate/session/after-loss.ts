import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import { type HistoryRow, readHistory } from "../history/history.ts";
import type { Runner } from "./runner.ts";

/** Long enough for a restart, and short enough to end within the grace of a stop. */
const LIMIT_MS = 12_000;
/** Until then the server has noticed by itself that its client is gone. */
const END_AFTER_MS = 3_000;
const EVERY_MS = 200;

/** What the history says of a file whose connection was lost; undefined if nobody could ask. */
export interface Aftermath {
  row?: HistoryRow;
}

/**
 * Connects again, waits until the lost session has ended on the server, and reads the file's row: only
 * then is it known whether its last transaction was committed.
 */
export async function readAftermath(
  { client: lost, settings }: Runner,
  version: string,
): Promise<Aftermath | undefined> {
  const pid = (lost as unknown as { processID: number | null }).processID;
  const deadline = Date.now() + LIMIT_MS;
  while (Date.now() < deadline) {
    try {
      const options = { purpose: "migrate outcome", cancelsItself: true, connectTimeoutMs: 2_000 };
      return await withSession(settings, options, async (client) => {
        if (settings.engine !== "embedded" && !(await waitUntilEnded(client, pid, deadline))) {
          return undefined;
        }
        const row = (await readHistory(client)).rows.get(version);
        return { ...(row && { row }) };
      });
    } catch {
      // The server may start again.
      await sleep(EVERY_MS);
    }
  }
  return undefined;
}

async function waitUntilEnded(client: Client, pid: number | null, deadline: number) {
  const endAt = Date.now() + END_AFTER_MS;
  while (Date.now() < deadline) {
    // A pid is used again, also by this connection.
    const { rows } = await client.query(
      `select pg_backend_pid() <> pid and $2 and pg_terminate_backend(pid) as ended from pg_stat_activity
       where pid = $1 and pid <> pg_backend_pid() and datname = current_database()
         and usename = session_user`,
      [pid, Date.now() > endAt],
    );
    if (rows.length === 0) return true;
    await sleep(EVERY_MS);
  }
  return false;
}
