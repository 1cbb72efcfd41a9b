import type { Client } from "pg";
import { asSuperuser } from "../../backup/backup-settings.ts";
import { withClient } from "../../connect/database.ts";
import { locateOperationLock } from "../../connect/operation-lock.ts";
import { buildHoldersQuery } from "../../connect/session-lock.ts";
import { isPermissionDenied } from "../../connect/sqlstate.ts";
import { refused } from "../../error.ts";
import { findLockHolder } from "../../file-lock.ts";
import type { Settings } from "../../settings.ts";

/**
 * Ends the sessions of a dump that holds the operation lock: `pg_dump`, and the session that exported
 * its snapshot. The session with the lock stays: the dump releases the lock after it has cleaned up.
 */
const buildEndDump = (client: Client) => `
with holder as (
  select pid from (${buildHoldersQuery(client)}) h where application_name = 'pgstead backup')
select pg_terminate_backend(a.pid) from pg_stat_activity a, holder
where a.application_name in ('pgstead backup', 'pgstead backup snapshot') and a.pid <> holder.pid`;

/** S11: ends the dump that a migration waits for, and no other operation. */
export async function endDump(settings: Settings, note: (line: string) => void): Promise<void> {
  const ended =
    settings.engine === "embedded"
      ? endProcess(settings)
      : await endSessions(asSuperuser(settings));
  if (ended) note("--preempt ends that dump; its files are removed");
}

async function endSessions(settings: Settings): Promise<boolean> {
  return withClient(settings, { purpose: "migrate preempt" }, async (client) => {
    try {
      return Boolean((await client.query(buildEndDump(client))).rowCount);
    } catch (error) {
      if (!isPermissionDenied(error)) throw error;
      throw refused(
        `role "${settings.database.user}" may not end the dump: ${(error as Error).message}; wait for it, or run this in the stack's agent container, which can connect as the superuser`,
        error,
      );
    }
  });
}

function endProcess(settings: Settings): boolean {
  const holder = findLockHolder(locateOperationLock(settings));
  return holder?.purpose === "backup" && process.kill(holder.pid, "SIGTERM");
}
