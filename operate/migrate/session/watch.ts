import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import type { Settings } from "../../settings.ts";
import { Stopped } from "../../stop.ts";

export interface Observed {
  /** Descriptions of the sessions that held the lock at the last query. */
  blockers: string[];
  /** Oid of the index that our CREATE INDEX is building. */
  building?: number;
}

export interface Watcher {
  note?: (line: string) => void;
  onBuilding?: (client: Client, oid: number) => Promise<void>;
  /** Query at once and often, so that the oid of a new index is recorded before a possible kill. */
  eager?: boolean;
}

const FIRST_QUERY_MS = 600;
const QUERY_EVERY_MS = 400;
const REPORT_EVERY_MS = 5_000;

/**
 * Watches the running session from a second connection: which sessions block it, and the progress of a
 * long statement. The connection is opened only if `run` takes longer than a moment.
 */
export async function withWatcher<T>(
  settings: Settings,
  client: Client,
  watcher: Watcher,
  run: (observed: Observed) => Promise<T>,
): Promise<T> {
  const observed: Observed = { blockers: [] };
  // PGlite has one session: a second one cannot watch it, and none can block it.
  if (settings.engine === "embedded") return run(observed);
  const stop = new AbortController();
  // A watcher that fails must not end the run: nothing else would handle its rejection meanwhile.
  const watching = watchSession(
    settings,
    readBackendPid(client),
    watcher,
    observed,
    stop.signal,
  ).catch((error) => {
    if (!(error instanceof Stopped))
      watcher.note?.(`  cannot watch this statement: ${error.message}`);
  });
  try {
    return await run(observed);
  } finally {
    stop.abort();
    await watching;
  }
}

const readBackendPid = (client: Client) => (client as unknown as { processID: number }).processID;

async function watchSession(
  settings: Settings,
  pid: number,
  { note, onBuilding, eager }: Watcher,
  observed: Observed,
  stop: AbortSignal,
): Promise<void> {
  if (!eager) await pause(FIRST_QUERY_MS, stop);
  if (stop.aborted) return;
  await withSession(settings, { purpose: "migrate watch" }, async (client) => {
    let reportedAt = Date.now();
    let reported = "";
    while (!stop.aborted) {
      const { rows } = await client.query(WATCH_QUERY, [pid]);
      const [row] = rows;
      if (!row) return;
      if (row.blockers.length > 0) observed.blockers = row.blockers;
      if (row.building && row.building !== observed.building) {
        observed.building = row.building;
        await onBuilding?.(client, row.building);
      }
      const line = row.blockers.length > 0 ? `blocked by ${row.blockers.join("; ")}` : row.progress;
      const isDue = Date.now() - reportedAt > REPORT_EVERY_MS;
      if (line && line !== reported && (row.blockers.length > 0 || isDue)) {
        note?.(`  ${line}`);
        reported = line;
        reportedAt = Date.now();
      }
      await pause(eager && !observed.building ? 20 : QUERY_EVERY_MS, stop);
    }
  });
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener("abort", done);
  });
}

const WATCH_QUERY = `
select
  (select coalesce(array_agg(format('pid %s (%s%s%s)%s', b.pid, b.usename,
      ', ' || nullif(b.application_name, ''),
      ', transaction open for ' || date_trunc('second', now() - b.xact_start),
      ': ' || left(regexp_replace(nullif(b.query, '<insufficient privilege>'), '\\s+', ' ', 'g'), 80))), '{}')
   from pg_stat_activity b where b.pid = any(pg_blocking_pids(a.pid))) as blockers,
  coalesce(
    (select format('%s: %s%s', p.command, p.phase, case
        when p.lockers_total > 0 and p.lockers_done < p.lockers_total
          then format(', waiting for %s old transactions', p.lockers_total - p.lockers_done)
        when p.blocks_total > 0 then format(', %s%%', 100 * p.blocks_done / p.blocks_total)
        when p.tuples_total > 0 then format(', %s%%', 100 * p.tuples_done / p.tuples_total)
        else '' end)
     from pg_stat_progress_create_index p where p.pid = a.pid),
    (select format('VACUUM: %s, %s%%', p.phase, 100 * p.heap_blks_scanned / greatest(p.heap_blks_total, 1))
     from pg_stat_progress_vacuum p where p.pid = a.pid),
    (select format('COPY: %s rows', p.tuples_processed) from pg_stat_progress_copy p where p.pid = a.pid),
    'running for ' || date_trunc('second', clock_timestamp() - a.query_start)) as progress,
  (select p.index_relid::int8::float8 from pg_stat_progress_create_index p
   where p.pid = a.pid and p.index_relid <> 0 and p.command like 'CREATE%') as building
from pg_stat_activity a where a.pid = $1`;
