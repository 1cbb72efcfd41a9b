import type { Client } from "pg";
import { withClient } from "../../connect/database.ts";
import { refused, unreachable } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { type Census, type Queryable, readCensus } from "../format/census.ts";

export interface DatabaseFacts {
  serverVersion: string;
  pgvectorVersion: string | null;
  schemaVersion: string | null;
  databaseBytes: number;
  walPosition: string | null;
  auditHead: Record<string, unknown> | null;
  /** Settings that a scratch server must have at least as high (S15). */
  serverSettings: Record<string, string>;
}

export interface Snapshot {
  /** For `pg_dump --snapshot`: the dump and the census see the same rows. */
  id: string;
  /** The system identifier, which is the same whatever the host name. */
  server: string;
  facts: DatabaseFacts;
  /** Reads in the snapshot what a restored copy is compared with. */
  takeCensus(): Promise<Census>;
}

/** Exports a snapshot of the database, which other sessions can use until `use` ends. */
export async function withSnapshot<T>(
  settings: Settings,
  use: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  return withClient(settings, { purpose: "backup snapshot" }, async (client) => {
    // The session is idle while pg_dump works, and a server setting could end idle transactions.
    await client.query(
      "set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0",
    );
    await assertSuperuser(settings, client);
    await client.query("begin isolation level repeatable read read only");
    const { rows } = await client.query(
      "select pg_export_snapshot() as id, (select system_identifier from pg_control_system())::text as server",
    );
    const facts = await readDatabaseFacts(client, settings.backups?.auditHead);
    return use({ ...rows[0], facts, takeCensus: () => takeCensus(client) });
  });
}

/** S5: a dump as another role lacks rows hidden by row-level security, large objects, subscriptions. */
async function assertSuperuser(settings: Settings, client: Client): Promise<void> {
  const { rows } = await client.query(
    "select rolsuper as super from pg_roles where rolname = current_user",
  );
  if (rows[0]?.super) return;
  throw refused(
    `role "${settings.database.user}" is not a superuser, so the dump would lack rows hidden by row-level security, large objects and subscriptions; run the backup in the agent container, which connects as the superuser`,
  );
}

const SCRATCH_NEEDS = [
  ...["max_connections", "max_worker_processes", "max_prepared_transactions"],
  ...["max_locks_per_transaction", "maintenance_work_mem", "shared_preload_libraries"],
];

/** Call it in a transaction. `auditHead` names the table whose one row the manifest quotes. */
export async function readDatabaseFacts(
  client: Queryable,
  auditHead?: string,
): Promise<DatabaseFacts> {
  const { rows } = await client.query(
    `select current_setting('server_version') as "serverVersion",
       (select extversion from pg_extension where extname = 'vector') as "pgvectorVersion",
       pg_database_size(current_database())::float8 as "databaseBytes",
       case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end::text as "walPosition",
       (select jsonb_object_agg(name, current_setting(name)) from pg_settings
         where name = any ('{${SCRATCH_NEEDS}}')) as "serverSettings",
       exists (select from pg_class where oid = to_regclass('pgstead.schema_migrations')
         and relkind = 'r') as "hasHistory"`,
  );
  const { hasHistory, ...facts } = rows[0];
  return {
    ...facts,
    schemaVersion: hasHistory ? await newestMigration(client) : null,
    auditHead: auditHead ? await readAuditHead(client, auditHead) : null,
  };
}

async function newestMigration(client: Queryable): Promise<string | null> {
  const { rows } = await client.query(
    "select max(version) as newest from pgstead.schema_migrations where state = 'applied' and not repeatable",
  );
  return rows[0].newest;
}

async function readAuditHead(
  client: Queryable,
  table: string,
): Promise<DatabaseFacts["auditHead"]> {
  // A name without a schema is looked up in the user's path.
  await client.query("set local search_path to default");
  const found = await client.query(
    `select pg_catalog.to_regclass('${table}')::pg_catalog.oid as oid`,
  );
  await client.query("set local search_path = pg_catalog, pg_temp");
  const [{ oid }] = found.rows;
  if (oid === null) return null;
  const named = await client.query(`select ${oid}::regclass::text as name`);
  const { name } = named.rows[0];
  const { rows } = await client.query(`select to_jsonb(h) as head from ${name} h limit 1`);
  return rows[0]?.head ?? null;
}

async function takeCensus(client: Client): Promise<Census> {
  try {
    return await readCensus(client);
  } catch (error) {
    throw unreachable(`cannot count the rows of the dump: ${(error as Error).message}`, error);
  }
}
