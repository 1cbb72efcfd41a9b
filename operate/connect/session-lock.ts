import { randomInt } from "node:crypto";
import type { Client } from "pg";
import { findOwner } from "./database.ts";

/** "pgst" in ASCII. The first int4 key of every lock of pgstead: pg_locks shows it as classid. */
export const LOCK_CLASS = 0x70677374;

/**
 * Any role can take an advisory lock of any key, so a lock counts only if a role that we trust holds it:
 * a superuser, the role that logs in here, `logins`, and the members of the database's owner and of the
 * stack's owner. pg_locks shows the locks of all databases, so operations of one server see each other
 * without a database in common.
 */
export function buildHoldersQuery(client: Client, logins: string[] = []): string {
  const owner = findOwner(client);
  const owners = [
    "select datdba from pg_database where datname = current_database()",
    ...(owner ? [`select oid from pg_roles where rolname = ${client.escapeLiteral(owner)}`] : []),
  ].join(" union ");
  const names = ["session_user", ...logins.map((login) => client.escapeLiteral(login))];
  return `
    select a.* from pg_locks l join pg_stat_activity a using (pid) join pg_roles r on r.oid = a.usesysid
    where l.locktype = 'advisory' and l.granted and l.classid = ${LOCK_CLASS} and l.objsubid = 2
      and a.pid <> pg_backend_pid()
      and (r.rolsuper or r.rolname in (${names})
        or exists (select from (${owners}) o (oid) where pg_has_role(r.oid, o.oid, 'member')))`;
}

export interface SessionLockOptions {
  /** Roles that run operations here, besides the role of this session and the owner's members. */
  logins?: string[];
  /** A session of ours, which this one need not wait for. */
  ownPid?: number;
}

/**
 * Returns undefined when this session got the lock, otherwise a description of the holder. First it takes
 * an advisory lock with a key that nobody can know, then it looks for other holders. Of two sessions that
 * do so at the same moment, at least one sees the other.
 */
export async function trySessionLock(
  client: Client,
  options: SessionLockOptions = {},
): Promise<string | undefined> {
  // A session that waits shows no lock, so nobody takes it for the holder.
  const holder = await describeHolder(client, options);
  if (holder) return holder;
  const key = await markSession(client);
  const other = await describeHolder(client, options);
  if (other) await client.query(`select pg_advisory_unlock(${LOCK_CLASS}, ${key})`);
  return other;
}

/** Takes the lock without a look at others, for a session whose operation already excludes them. */
export async function markSession(client: Client): Promise<number> {
  for (;;) {
    // Keys below are those of older versions.
    const key = randomInt(1000, 2 ** 31);
    const { rows } = await client.query(
      `select pg_catalog.pg_try_advisory_lock(${LOCK_CLASS}, ${key}) as taken`,
    );
    if (rows[0].taken) return key;
  }
}

async function describeHolder(
  client: Client,
  { logins, ownPid }: SessionLockOptions,
): Promise<string | undefined> {
  const { rows } = await client.query(
    `select format('pid %s (%s%s%s)', pid, coalesce(nullif(application_name, ''), 'role ' || usename),
       ', since ' || to_char(backend_start, 'YYYY-MM-DD HH24:MI:SSOF'), ', ' || client_addr) as holder
     from (${buildHoldersQuery(client, logins)}) h
     where pid is distinct from ${ownPid ?? "null"} order by backend_start limit 1`,
  );
  return rows[0]?.holder;
}
