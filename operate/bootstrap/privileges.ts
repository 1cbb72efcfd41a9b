import type { Client } from "pg";
import { OWNER } from "./roles.ts";
import { takeOver } from "./take-over.ts";

/**
 * Privileges in the stack's database. Default privileges cover the schema `public` only. In any other
 * schema, such as that of the history or of an audit log, applications have what migrations grant.
 */
const GRANTS = `
grant connect, temporary on database %DB% to migrator, app;
grant connect on database %DB% to readonly;
grant usage on schema public to app, readonly;
alter default privileges for role ${OWNER} in schema public
  grant select, insert, update, delete on tables to app;
alter default privileges for role ${OWNER} in schema public
  grant usage, select on sequences to app;
alter default privileges for role ${OWNER} in schema public grant select on tables to readonly;
alter default privileges for role ${OWNER} in schema public grant select on sequences to readonly;
`;

/** Makes pgstead's owner the owner of the stack's database, if it is not. */
export async function takeOverDatabase(client: Client, superuser: string): Promise<string[]> {
  const { rows } = await client.query<{ owner: string; name: string }>(
    "select rolname as owner, datname as name from pg_database join pg_roles on pg_roles.oid = datdba where datname = current_database()",
  );
  const [{ owner, name }] = rows as [(typeof rows)[number]];
  if (owner === OWNER) return [];
  const database = client.escapeIdentifier(name);
  await client.query(
    `alter database ${database} owner to ${OWNER};
       revoke connect, temporary on database ${database} from public`,
  );
  const changed = await takeOver(client, [...new Set([owner, superuser])]);
  return [`owner of database ${name}`, ...changed];
}

/** Every role may connect to them, unless it is taken away. Grants to a role of its own stay. */
const DATABASES_OF_THE_SERVER = ["postgres", "template1"];

export async function grantPrivileges(client: Client, database: string): Promise<void> {
  await client.query(GRANTS.replaceAll("%DB%", () => client.escapeIdentifier(database)));
  const others = DATABASES_OF_THE_SERVER.filter((name) => name !== database);
  await client.query(`revoke connect, temporary on database ${others.join(", ")} from public`);
}
