import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "pg";
import { LOGIN_ROLES } from "../../config/choices.ts";
import { mistake } from "../error.ts";
import { createScramVerifier, matchesVerifier } from "./scram.ts";

/** Owns the schema and cannot log in. `migrator` may act as it; `app` and `readonly` may not. */
export const OWNER = "owner";

export async function setRoles(
  client: Client,
  passwords: string,
  superuser: string,
): Promise<string[]> {
  const changed: string[] = [];
  const existing = await readRoles(client);
  for (const role of [OWNER, ...LOGIN_ROLES]) {
    if (role === superuser) {
      throw mistake(`the superuser cannot be called "${role}": pgstead uses a role of that name`);
    }
    if (existing.has(role)) continue;
    await client.query(`create role ${role}`);
    changed.push(`role ${role}`);
  }
  for (const role of LOGIN_ROLES) {
    const password = readFileSync(join(passwords, role), "utf8").trim();
    const found = existing.get(role);
    if (found?.canLogin && matchesVerifier(password, found.verifier)) continue;
    const verifier = client.escapeLiteral(createScramVerifier(password));
    await client.query(`alter role ${role} login password ${verifier}`);
    if (found) changed.push(`password of ${role}`);
  }
  // A superuser with a password could log in over the network. A cluster from elsewhere may have one.
  if (existing.get(superuser)?.verifier) {
    await client.query(`alter role ${client.escapeIdentifier(superuser)} password null`);
    changed.push(`no password of ${superuser}`);
  }
  if (!(await isMigratorMember(client))) {
    await client.query(`grant ${OWNER} to migrator`);
    changed.push(`membership of migrator in ${OWNER}`);
  }
  // Needed to show who holds a lock, since when, and with which query.
  await client.query("grant pg_read_all_stats to migrator");
  return changed;
}

async function readRoles(client: Client) {
  const { rows } = await client.query<{
    rolname: string;
    rolcanlogin: boolean;
    rolpassword: string | null;
  }>("select rolname, rolcanlogin, rolpassword from pg_authid");
  return new Map(
    rows.map(({ rolname, rolcanlogin, rolpassword }) => [
      rolname,
      { canLogin: rolcanlogin, verifier: rolpassword },
    ]),
  );
}

async function isMigratorMember(client: Client): Promise<boolean> {
  const { rows } = await client.query(
    `select 1 from pg_auth_members
     where roleid = '${OWNER}'::regrole and member = 'migrator'::regrole`,
  );
  return rows.length > 0;
}
