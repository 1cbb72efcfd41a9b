import type { Client } from "pg";
import { findOwner } from "../../connect/database.ts";
import { isPermissionDenied, UNDEFINED_TABLE } from "../../connect/sqlstate.ts";
import { mistake, refused } from "../../error.ts";

/** Goes up with each change of the tables below. `LAYOUT_CHANGES` has the SQL for each number. */
export const LAYOUT = 1;

/**
 * The history has its own schema, because other tools use the table name `schema_migrations` too, and
 * people do run `DROP SCHEMA public CASCADE`.
 */
const LAYOUT_CHANGES: Record<number, string> = {
  1: `
create table pgstead.schema_migrations (
  version text primary key,
  repeatable boolean not null default false,
  state text not null check (state in ('applying', 'applied', 'undone')),
  checksum_raw text not null,
  checksum text not null,
  statements_done integer not null default 0,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  duration_ms double precision,
  applied_by text not null default session_user,
  tool_version text not null,
  origin text not null default 'file',
  position bigint generated always as identity,
  progress jsonb,
  approvals jsonb not null default '[]'
);
create table pgstead.released_holds (
  reason text primary key,
  released_by text not null default session_user,
  released_at timestamptz not null default now()
);
comment on column pgstead.schema_migrations.checksum_raw is 'SHA-256 of the file as it was';
comment on column pgstead.schema_migrations.checksum is 'SHA-256 with CRLF read as LF';
comment on column pgstead.schema_migrations.origin is
  'file: pgstead ran it; stamp, adopt: recorded without running';
comment on column pgstead.schema_migrations.progress is
  'where a file without a transaction, or a backfill, stands';
`,
};

/** Creates the history or updates an older layout, in the caller's transaction. */
export async function upgradeHistory(client: Client, found: number): Promise<void> {
  if (found === LAYOUT) return;
  const sql = [
    "create schema if not exists pgstead;",
    "create table if not exists pgstead.layouts (part text primary key, layout integer not null);",
  ];
  for (let layout = found + 1; layout <= LAYOUT; layout++)
    sql.push(LAYOUT_CHANGES[layout] as string);
  sql.push(
    `insert into pgstead.layouts values ('migrations', ${LAYOUT})
     on conflict (part) do update set layout = excluded.layout;`,
  );
  try {
    await client.query(sql.join("\n"));
  } catch (error) {
    if (!isPermissionDenied(error)) throw error;
    const { database, user } = client;
    throw mistake(
      `role "${user}" may not create the schema "pgstead" for the history in "${database}"; as an administrator, run: GRANT CREATE ON DATABASE "${database}" TO "${user}"`,
      error,
    );
  }
}

/**
 * What in the schema `pgstead` another role has made. Such a table or trigger could run SQL as us (S27).
 * Trusted are superusers, the role that logs in, the owner of the stack and the owner of the database.
 */
const FOREIGN = `
with trusted as (
  select oid from pg_roles where rolsuper or rolname in (session_user, $1)
    or oid = (select datdba from pg_database where datname = current_database())
), ours as (select oid, nspowner from pg_namespace where nspname = 'pgstead')
select format('the schema "pgstead" belongs to role "%s"', pg_get_userbyid(nspowner)) as problem
from ours where nspowner not in (select oid from trusted)
union all
select format('"pgstead.%s" belongs to role "%s"', relname, pg_get_userbyid(relowner))
from pg_class where relnamespace in (select oid from ours) and relowner not in (select oid from trusted)
union all
select format('"pgstead.%s" is not a table', relname)
from pg_class where relnamespace in (select oid from ours) and relkind <> 'r'
  and relname in ('layouts', 'schema_migrations', 'released_holds')
union all
select format('the trigger "%s" on "pgstead.%s" runs a function of role "%s"', tgname, relname,
  pg_get_userbyid(proowner))
from pg_trigger t join pg_class c on c.oid = tgrelid join pg_proc p on p.oid = tgfoid
where relnamespace in (select oid from ours) and not tgisinternal
  and proowner not in (select oid from trusted)
limit 1`;

async function assertOwnSchema(client: Client): Promise<void> {
  const owner = findOwner(client) ?? client.user;
  const { rows } = await client.query(FOREIGN, [owner]);
  if (rows.length === 0) return;
  throw refused(
    `${rows[0].problem} in "${client.database}", so pgstead did not make it and does not read it; look at what is there, then remove it (DROP SCHEMA pgstead CASCADE) or make "${owner}" its owner (ALTER ... OWNER TO)`,
  );
}

/** 0 when there is no history. A newer layout is refused, because this version cannot read its rows. */
export async function readLayout(client: Client): Promise<number> {
  await assertOwnSchema(client);
  const sql = "select layout from pgstead.layouts where part = 'migrations'";
  try {
    const { rows } = await client.query(sql);
    const layout: number = rows[0]?.layout ?? 0;
    if (layout > LAYOUT) {
      throw refused(
        `the history in "${client.database}" has layout ${layout}, and this pgstead knows layouts up to ${LAYOUT}; use the newer pgstead that wrote it`,
      );
    }
    return layout;
  } catch (error) {
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return 0;
    throw error;
  }
}
