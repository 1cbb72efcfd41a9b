import type { Runner } from "./runner.ts";

/** What a CONCURRENTLY will wait for, told before it waits. */
export async function tellOldTransactions({ client, settings, note }: Runner): Promise<void> {
  if (settings.engine === "embedded") return;
  const { rows } = await client.query(`
    select format('pid %s (%s%s, %s for %s)', pid, usename,
      coalesce(', ' || nullif(application_name, ''), ''), state,
      date_trunc('second', now() - xact_start)) as who
    from pg_stat_activity
    where pid <> pg_backend_pid() and datname = current_database()
      and xact_start < now() - interval '1 second' and backend_type = 'client backend'
    order by xact_start limit 5`);
  for (const { who } of rows) note(`  will wait for the transaction of ${who}`);
}
