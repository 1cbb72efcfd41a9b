import type { Client } from "pg";
import { withClient } from "../database.ts";
import { refused, unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";

export interface Facts {
  serverVersion: string;
  pgvectorVersion: string | null;
  schemaVersion: string | null;
  databaseBytes: number;
  walPosition: string | null;
  auditHead: Record<string, unknown> | null;
}

export interface Snapshot {
  /** For `pg_dump --snapshot`: the dump and the counts see the same rows. */
  id: string;
  /** Which server, whatever name it is reached by. */
  server: string;
  facts: Facts;
  /** Counts the rows of every table that a dump takes along. */
  countRows(): Promise<Record<string, number>>;
}

/** A snapshot of the database that others can join for as long as `use` runs. */
export async function withSnapshot<T>(
  settings: Settings,
  use: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  return withClient(settings, { purpose: "backup snapshot" }, async (client) => {
    // Idle while pg_dump works: a limit of the server for idle transactions would end it.
    await client.query(
      "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0",
    );
    await assertSeesEverything(settings, client);
    await client.query("begin isolation level repeatable read read only");
    const { rows } = await client.query(
      "select pg_export_snapshot() as id, (select system_identifier from pg_control_system())::text as server",
    );
    const facts = await readFacts(client);
    return use({ ...rows[0], facts, countRows: () => countRows(client) });
  });
}

/** S5: any other role leaves out what row-level security hides, large objects and subscriptions. */
async function assertSeesEverything(settings: Settings, client: Client): Promise<void> {
  const { rows } = await client.query(
    "select rolsuper as super from pg_roles where rolname = current_user",
  );
  if (rows[0]?.super) return;
  throw refused(
    `role "${settings.database.user}" is no superuser, so a dump would lack what row-level security hides, large objects and subscriptions; run the backup in the agent container, where the superuser is reached through the socket`,
  );
}

export async function readFacts(client: Client): Promise<Facts> {
  const { rows } = await client.query(
    `select current_setting('server_version') as "serverVersion",
       (select extversion from pg_extension where extname = 'vector') as "pgvectorVersion",
       pg_database_size(current_database())::float8 as "databaseBytes",
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as "walPosition",
       to_regclass('pgstead.schema_migrations') is not null as "hasHistory",
       to_regclass('audit.head') is not null as "hasAudit"`,
  );
  const { hasHistory, hasAudit, ...facts } = rows[0];
  return {
    ...facts,
    schemaVersion: hasHistory ? await newestMigration(client) : null,
    auditHead: hasAudit ? await readAuditHead(client) : null,
  };
}

async function newestMigration(client: Client): Promise<string | null> {
  const { rows } = await client.query(
    "select max(version) as newest from pgstead.schema_migrations where state = 'applied' and not repeatable",
  );
  return rows[0].newest;
}

async function readAuditHead(client: Client): Promise<Record<string, unknown> | null> {
  const { rows } = await client.query("select to_jsonb(h) as head from audit.head h limit 1");
  return rows[0]?.head ?? null;
}

/** Tables of extensions are left out, as pg_dump leaves them out. */
const DUMPED_TABLES = `
  select format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_'
    and n.nspname <> 'information_schema'
    and not exists (select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by 1`;

async function countRows(client: Client): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  try {
    for (const { name } of (await client.query(DUMPED_TABLES)).rows) {
      const { rows } = await client.query(`select count(*)::float8 as rows from only ${name}`);
      counts[name] = rows[0].rows;
    }
  } catch (error) {
    throw unreachable(`cannot count the rows of the dump: ${(error as Error).message}`, error);
  }
  return counts;
}
