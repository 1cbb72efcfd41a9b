import { backupSettings } from "../backup/backup-settings.ts";
import { CannotVerify } from "../backup/format/cannot-verify.ts";
import { withSession } from "../connect/session.ts";
import { unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { withScratchFolder } from "./scratch-folder.ts";
import { withScratchLock } from "./scratch-lock.ts";
import { withScratchServer } from "./scratch-server.ts";

const WAIT_MS = 600_000;

/** A server of the stack's own version for as long as `use` runs, where its backups are proven too. */
export async function withDatabaseInAgent<T>(
  live: Settings,
  preparation: string[],
  use: (settings: Settings) => Promise<T>,
): Promise<T> {
  const { folder } = backupSettings(live);
  const { signal } = new AbortController();
  const served = (home: string) =>
    withScratchServer({ home, serverSettings: {}, signal }, async ({ settings }) => {
      const scratch = { ...settings, migrations: live.migrations };
      await withSession(scratch, { purpose: "scratch" }, async (client) => {
        for (const statement of preparation) await client.query(statement);
      });
      return use(scratch);
    });
  try {
    const turn = { purpose: "migrate verify", waitMs: WAIT_MS };
    return await withScratchLock(turn, () => withScratchFolder(folder, served));
  } catch (error) {
    throw error instanceof CannotVerify ? unreachable(error.message, error) : error;
  }
}
