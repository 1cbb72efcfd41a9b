import type { Client } from "pg";
import { withClient } from "../connect/database.ts";
import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";
import { ensureVectorExtension, updateVectorExtension } from "./extensions.ts";
import { grantPrivileges, takeOverDatabase } from "./privileges.ts";
import { setRoles } from "./roles.ts";

export interface BootstrapResult {
  /** What this run changed; empty if everything was in order. */
  changed: string[];
}

/** Only superusers may take it. The table is of the whole server, and the mode blocks no login. */
const LOCK = "lock table pg_catalog.pg_authid in share update exclusive mode";

/**
 * Sets the roles, privileges and extensions that `up` needs, as the superuser over the socket. A
 * second run changes nothing. Grants that somebody else made stay.
 */
export async function bootstrapServer(settings: Settings): Promise<BootstrapResult> {
  const { superuser, name } = settings.database;
  const { roles } = settings;
  if (!superuser || !roles) {
    throw mistake(
      `stack "${settings.stack}" has no superuser: the operator of the server sets its roles and extensions`,
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
      changed.push(...(await takeOverDatabase(client, superuser)));
      await grantPrivileges(client, name);
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
  // The statements contain SCRAM verifiers, which must not appear in the server's log.
  await client.query(
    `begin; set local log_statement = 'none'; set local log_min_duration_statement = -1; set local log_min_error_statement = 'panic'; ${LOCK}`,
  );
  try {
    await use();
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/** The entrypoint creates the database with the cluster. A volume from elsewhere may lack it. */
async function createDatabase(client: Client, name: string): Promise<string[]> {
  const { rows } = await client.query("select 1 from pg_database where datname = $1", [name]);
  if (rows.length > 0) return [];
  await client.query(`create database ${client.escapeIdentifier(name)}`);
  return [`database ${name}`];
}
