import type { Client } from "pg";
import { withClient } from "../connect/database.ts";
import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";
import { ensureVectorExtension, updateVectorExtension } from "./extensions.ts";
import { setPrivileges } from "./privileges.ts";
import { setRoles } from "./roles.ts";

export interface BootstrapResult {
  /** What was not as it should be and now is; empty when there was nothing to do. */
  changed: string[];
}

/** "pgstead" as a number, and the third of its locks. */
const LOCK = "pg_advisory_xact_lock(1885828980, 3)";

/**
 * Roles, privileges and extensions as each `up` wants them, set by the superuser over the socket. Run
 * again it changes nothing, and it never takes away what somebody else has granted.
 */
export async function bootstrapServer(settings: Settings): Promise<BootstrapResult> {
  const { superuser, name } = settings.database;
  const { roles } = settings;
  if (!superuser || !roles) {
    throw mistake(
      `stack "${settings.stack}" gives no superuser: its roles and extensions are set by whoever runs the server`,
    );
  }
  const asSuperuser = { ...settings, database: { ...settings.database, user: superuser } };
  const changed: string[] = [];
  const inDatabase = <T>(database: string, use: (client: Client) => Promise<T>) =>
    withClient(asSuperuser, { purpose: "bootstrap", database }, use);

  await inDatabase("postgres", async (client) => {
    await inTransaction(client, async () => {
      changed.push(...(await setRoles(client, roles.passwords, superuser)));
    });
    changed.push(...(await createDatabase(client, name)));
  });
  await inDatabase(name, (client) =>
    inTransaction(client, async () => {
      changed.push(...(await ensureVectorExtension(client)));
      changed.push(...(await setPrivileges(client, superuser)));
    }),
  );
  for (const other of await inDatabase("postgres", (client) => listOtherDatabases(client, name))) {
    await inDatabase(other, (client) =>
      inTransaction(client, async () => {
        changed.push(...(await updateVectorExtension(client)));
      }),
    );
  }
  return { changed };
}

async function listOtherDatabases(client: Client, name: string): Promise<string[]> {
  const { rows } = await client.query<{ datname: string }>(
    "select datname from pg_database where datallowconn and not datistemplate and datname <> $1 order by 1",
    [name],
  );
  return rows.map(({ datname }) => datname);
}

async function inTransaction(client: Client, use: () => Promise<void>): Promise<void> {
  // Verifiers are no passwords, but no log needs them either.
  await client.query(
    `begin; set local log_statement = 'none'; set local log_min_duration_statement = -1; set local log_min_error_statement = 'panic'; select ${LOCK}`,
  );
  try {
    await use();
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/** The entrypoint made it with the cluster; a volume that was brought along may lack it. */
async function createDatabase(client: Client, name: string): Promise<string[]> {
  const { rows } = await client.query("select 1 from pg_database where datname = $1", [name]);
  if (rows.length > 0) return [];
  await client.query(`create database ${client.escapeIdentifier(name)}`);
  return [`database ${name}`];
}
