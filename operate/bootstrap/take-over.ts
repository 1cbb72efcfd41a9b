import type { Client } from "pg";
import { OWNER } from "./roles.ts";

/**
 * One ALTER ... OWNER statement for each object of the given roles. Left out are members of extensions,
 * and objects that follow their table: sequences of columns and types of rows.
 */
const HAND_OVER = `
with given as (
  select oid from pg_roles where rolname = any ($1)
), ours as (
  select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
), object as (
  select 1 as turn, 'pg_namespace'::regclass as class, oid, 'schema ' || quote_ident(nspname) as name
  from pg_namespace where oid in (select oid from ours) and nspowner in (select oid from given)
  union all
  select 2, 'pg_class'::regclass, oid,
    case relkind when 'v' then 'view ' when 'm' then 'materialized view ' when 'S' then 'sequence '
      when 'f' then 'foreign table ' else 'table ' end || oid::regclass
  from pg_class c where relnamespace in (select oid from ours) and relowner in (select oid from given)
    and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid
      and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and c.relkind = 'S')
  union all
  select 3, 'pg_proc'::regclass, oid, 'routine ' || oid::regprocedure
  from pg_proc where pronamespace in (select oid from ours) and proowner in (select oid from given)
  union all
  select 4, 'pg_type'::regclass, oid, 'type ' || oid::regtype
  from pg_type t where typnamespace in (select oid from ours) and typowner in (select oid from given)
    and typtype in ('c', 'd', 'e', 'r')
    and (typrelid = 0 or exists (select from pg_class c where c.oid = typrelid and relkind = 'c'))
  union all
  select 5, 'pg_largeobject_metadata'::regclass, oid, 'large object ' || oid
  from pg_largeobject_metadata where lomowner in (select oid from given)
)
select 'alter ' || name || ' owner to ${OWNER}' as statement from object o
where not exists (select from pg_depend d where d.classid = o.class and d.objid = o.oid and d.deptype = 'e')
order by turn, name`;

/** Grants on the objects whose owner changed. Default privileges cover only objects created later. */
const GRANTS = `
select format('grant %1$s on %2$s %3$s to app; grant select on %2$s %3$s to readonly',
    case relkind when 'S' then 'usage, select' else 'select, insert, update, delete' end,
    case relkind when 'S' then 'sequence' else 'table' end, oid::regclass) as statement
from pg_class where relnamespace = 'public'::regnamespace and relowner = '${OWNER}'::regrole
  and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
order by relname`;

/** Makes pgstead's owner the owner of a database from elsewhere, and lets applications use it. */
export async function takeOver(client: Client, from: string[]): Promise<string[]> {
  // With an empty search_path, the names in the statements include their schema.
  await client.query("set local search_path = ''");
  const { rows } = await client.query<{ statement: string }>(HAND_OVER, [from]);
  if (rows.length === 0) return [];
  for (const { statement } of rows) await client.query(statement);
  const grants = await client.query<{ statement: string }>(GRANTS);
  for (const { statement } of grants.rows) await client.query(statement);
  return [
    `owner of ${rows.length} objects in ${client.database}, which belonged to ${from.join(", ")}`,
  ];
}
