import { backupSettings } from "../backup/backup-settings.ts";
import { CannotVerify } from "../backup/format/cannot-verify.ts";
import { withSession } from "../connect/session.ts";
import { unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { withScratchFolder } from "./scratch-folder.ts";
import { withScratchLock } from "./scratch-lock.ts";
import { withScratchServer } from "./scratch-server.ts";

const WAIT_MS = 600_000;

/**
 * Starts a scratch server of the stack's own PostgreSQL version, as `backup verify` does, and stops it
 * after `use`.
 */
export async function withDatabaseInAgent<T>(
  live: Settings,
  statements: string[],
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  const { folder } = backupSettings(live);
  const { signal } = new AbortController();
  const serve = (scratchFolder: string) =>
    withScratchServer({ scratchFolder, serverSettings: {}, signal }, async ({ settings }) => {
      const scratch = { ...settings, migrations: live.migrations };
      await withSession(scratch, { purpose: "scratch" }, async (client) => {
        for (const statement of statements) await client.query(statement);
      });
      return use(scratch);
    });
  try {
    const lock = { purpose: "migrate verify", waitMs: WAIT_MS };
    return await withScratchLock(lock, () => withScratchFolder(folder, serve));
  } catch (error) {
    throw error instanceof CannotVerify ? unreachable(error.message, error) : error;
  }
}
