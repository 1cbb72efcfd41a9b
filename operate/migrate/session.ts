import type { Client } from "pg";
import { withClient } from "../database.ts";
import { unreachable } from "../error.ts";
import { OPERATION_LOCK, tryAdvisoryLock, withOperationLock } from "../operation-lock.ts";
import type { Settings } from "../settings.ts";

export interface RunOptions {
  toolVersion: string;
  /** How long to wait for another operation. */
  waitMs?: number;
  note?: (line: string) => void;
}

export const DEFAULT_WAIT_MS = 10 * 60_000;

/**
 * The session that migrations run in. Beside the server's operation lock it holds one of its own:
 * should the other connection break, a second runner still finds this one at work.
 */
export async function withRunner<T>(
  settings: Settings,
  purpose: string,
  options: RunOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const { note, waitMs = DEFAULT_WAIT_MS } = options;
  return withOperationLock(settings, { purpose, waitMs, ...(note && { note }) }, () =>
    withClient(settings, { purpose }, async (client) => {
      if (settings.engine !== "embedded") await holdSession(client);
      return use(client);
    }),
  );
}

async function holdSession(client: Client): Promise<void> {
  const holder = await tryAdvisoryLock(client, [OPERATION_LOCK[0], 2]);
  if (holder) {
    throw unreachable(
      `${holder} still works on "${client.database}", though it has lost its operation lock; wait for it, or end it with SELECT pg_terminate_backend(pid)`,
    );
  }
}
