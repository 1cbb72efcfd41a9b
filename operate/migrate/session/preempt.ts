import { asSuperuser } from "../../backup/backup-settings.ts";
import { withClient } from "../../connect/database.ts";
import { locateOperationLock, OPERATION_LOCK } from "../../connect/operation-lock.ts";
import { isPermissionDenied } from "../../connect/sqlstate.ts";
import { refused } from "../../error.ts";
import { findLockHolder } from "../../file-lock.ts";
import type { Settings } from "../../settings.ts";

const [HIGH, LOW] = OPERATION_LOCK;

/**
 * Ends the sessions of a dump that holds the operation lock: `pg_dump`, and the session that exported
 * its snapshot. The session with the lock stays: the dump releases the lock after it has cleaned up.
 */
const END_DUMP = `
with holder as (
  select a.pid from pg_locks l join pg_stat_activity a using (pid)
  where l.locktype = 'advisory' and l.granted and l.classid = ${HIGH} and l.objid = ${LOW}
    and l.database = (select oid from pg_database where datname = current_database())
    and a.application_name = 'pgstead backup')
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
  const options = { purpose: "migrate preempt", database: "postgres" };
  return withClient(settings, options, async (client) => {
    try {
      return Boolean((await client.query(END_DUMP)).rowCount);
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
