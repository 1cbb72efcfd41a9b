import type { Runner } from "./runner.ts";

/** Reports the transactions that a CONCURRENTLY is going to wait for (S7). */
export async function reportOldTransactions({ client, settings, note }: Runner): Promise<void> {
  if (settings.engine === "embedded") return;
  // A plain role may not see the state of other roles, but their locks show an open transaction.
  const { rows } = await client.query(`
    select format('pid %s (%s%s%s)', pid, usename, ', ' || nullif(application_name, ''),
      ', ' || state || ' for ' || date_trunc('second', now() - xact_start)) as who
    from pg_stat_activity
    where pid <> pg_backend_pid() and datname = current_database()
      and coalesce(xact_start < now() - interval '1 second', state is null)
      and exists (select from pg_locks l where l.pid = pg_stat_activity.pid and locktype = 'virtualxid')
    order by xact_start limit 5`);
  for (const { who } of rows) note(`  will wait for the transaction of ${who}`);
}
