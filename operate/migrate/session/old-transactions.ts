import type { Runner } from "./runner.ts";

/** What a CONCURRENTLY will wait for, told before it waits. */
export async function reportOldTransactions({ client, settings, note }: Runner): Promise<void> {
  if (settings.engine === "embedded") return;
  // Whose state a plain role may not see still shows that it is in a transaction by its locks.
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
