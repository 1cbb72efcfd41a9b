import { asSuperuser } from "../../backup/backup-settings.ts";
import { withClient } from "../../connect/database.ts";
import { locateOperationLock, OPERATION_LOCK } from "../../connect/operation-lock.ts";
import { isPermissionDenied } from "../../connect/sqlstate.ts";
import { refused } from "../../error.ts";
import { findLockHolder } from "../../file-lock.ts";
import type { Settings } from "../../settings.ts";

const [HIGH, LOW] = OPERATION_LOCK;

/**
 * The sessions of a dump that has the operation lock: `pg_dump`, and the one whose snapshot it reads.
 * Not that with the lock: the dump lets go of it by itself, once it has cleaned up.
 */
const END_DUMP = `
with holder as (
  select a.pid from pg_locks l join pg_stat_activity a using (pid)
  where l.locktype = 'advisory' and l.granted and l.classid = ${HIGH} and l.objid = ${LOW}
    and l.database = (select oid from pg_database where datname = current_database())
    and a.application_name = 'pgstead backup')
select pg_terminate_backend(a.pid) from pg_stat_activity a, holder
where a.application_name in ('pgstead backup', 'pgstead backup snapshot') and a.pid <> holder.pid`;

/** S11: ends the dump that a migration would wait for, and nobody else. */
export async function endDump(settings: Settings, note: (line: string) => void): Promise<void> {
  const ended =
    settings.engine === "embedded"
      ? endProcess(settings)
      : await endSessions(asSuperuser(settings));
  if (ended) note("ending that dump, as --preempt says; what it wrote is removed");
}

async function endSessions(settings: Settings): Promise<boolean> {
  const options = { purpose: "migrate preempt", database: "postgres" };
  return withClient(settings, options, async (client) => {
    try {
      return Boolean((await client.query(END_DUMP)).rowCount);
    } catch (error) {
      if (!isPermissionDenied(error)) throw error;
      throw refused(
        `role "${settings.database.user}" may not end the dump: ${(error as Error).message}; wait for it, or run this in the stack's agent container, which reaches the superuser`,
        error,
      );
    }
  });
}

function endProcess(settings: Settings): boolean {
  const holder = findLockHolder(locateOperationLock(settings));
  return holder?.purpose === "backup" && process.kill(holder.pid, "SIGTERM");
}
