const notMember = (catalog: string, oid: string) =>
  `not exists (select from member m where m.classid = '${catalog}'::regclass and m.objid = ${oid})`;

export const schemas = `
select 'pg_namespace'::regclass::oid::int8::float8 as class, n.oid::int8::float8 as oid, 'schema' as kind,
  quote_ident(n.nspname) as name, format('CREATE SCHEMA IF NOT EXISTS %I', n.nspname) as sql
from mine n where ${notMember("pg_namespace", "n.oid")}`;

/** Without versions: the image decides them, and the files' author may have another image. */
export const extensions = `
select 'pg_extension'::regclass::oid::int8::float8 as class, e.oid::int8::float8 as oid, 'extension' as kind,
  quote_ident(e.extname) as name,
  format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname) as sql
from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname <> 'plpgsql'`;

export const types = `
select 'pg_type'::regclass::oid::int8::float8 as class, t.oid::int8::float8 as oid, 'type' as kind,
  format_type(t.oid, null) as name,
  case t.typtype
    when 'e' then format('CREATE TYPE %s AS ENUM (%s)', format_type(t.oid, null),
      (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) from pg_enum where enumtypid = t.oid))
    when 'c' then format('CREATE TYPE %s AS (%s)', format_type(t.oid, null),
      (select string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum)
       from pg_attribute where attrelid = t.typrelid and attnum > 0 and not attisdropped))
    when 'd' then format('CREATE DOMAIN %s AS %s%s%s%s', format_type(t.oid, null),
      format_type(t.typbasetype, t.typtypmod), ' DEFAULT ' || t.typdefault,
      case when t.typnotnull then ' NOT NULL' end,
      (select string_agg(format(' CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), '' order by conname)
       from pg_constraint where contypid = t.oid and contype = 'c'))
    when 'r' then (select format('CREATE TYPE %s AS RANGE (SUBTYPE = %s)', format_type(t.oid, null),
      format_type(rngsubtype, null)) from pg_range where rngtypid = t.oid) end as sql
from pg_type t join mine n on n.oid = t.typnamespace
where t.typtype in ('e', 'd', 'r', 'c') and ${notMember("pg_type", "t.oid")}
  and (t.typrelid = 0 or exists (select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))`;

export const functions = `
select 'pg_proc'::regclass::oid::int8::float8 as class, p.oid::int8::float8 as oid, 'function' as kind,
  p.oid::regprocedure::text as name, rtrim(pg_get_functiondef(p.oid), E'\\n') as sql
from pg_proc p join mine n on n.oid = p.pronamespace
where p.prokind in ('f', 'p', 'w') and ${notMember("pg_proc", "p.oid")}
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i')`;

/** A SECURITY DEFINER function is only safe with the right ones. Named roles get theirs outside the files. */
export const publicPrivileges = `
select 0 as class, p.oid::int8::float8 as oid, 'privilege' as kind, p.oid::regprocedure::text as name,
  format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', p.oid::regprocedure) as sql
from pg_proc p join mine n on n.oid = p.pronamespace
where p.proacl is not null and ${notMember("pg_proc", "p.oid")}
  and not exists (select from aclexplode(p.proacl) where grantee = 0)
union all
select 0, c.oid::int8::float8, 'privilege', c.oid::regclass::text,
  (select format('GRANT %s ON %s TO PUBLIC', string_agg(privilege_type, ', ' order by privilege_type), c.oid::regclass)
   from aclexplode(c.relacl) where grantee = 0)
from pg_class c join mine n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S') and ${notMember("pg_class", "c.oid")}
  and exists (select from aclexplode(c.relacl) where grantee = 0)`;

export const triggers = `
select 'pg_trigger'::regclass::oid::int8::float8 as class, g.oid::int8::float8 as oid, 'trigger' as kind,
  format('%I on %s', g.tgname, g.tgrelid::regclass) as name,
  pg_get_triggerdef(g.oid) || case g.tgenabled when 'O' then '' else
    format(E';\\nALTER TABLE %s %s TRIGGER %I', g.tgrelid::regclass,
      case g.tgenabled when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA' else 'ENABLE ALWAYS' end, g.tgname) end as sql
from pg_trigger g join pg_class c on c.oid = g.tgrelid join mine n on n.oid = c.relnamespace
where not g.tgisinternal and g.tgparentid = 0 and ${notMember("pg_class", "c.oid")}
union all
select 'pg_rewrite'::regclass::oid::int8::float8, r.oid::int8::float8, 'rule',
  format('%I on %s', r.rulename, r.ev_class::regclass), rtrim(pg_get_ruledef(r.oid), ';')
from pg_rewrite r join pg_class c on c.oid = r.ev_class join mine n on n.oid = c.relnamespace
where r.rulename <> '_RETURN' and ${notMember("pg_class", "c.oid")}
union all
select 'pg_policy'::regclass::oid::int8::float8, p.oid::int8::float8, 'policy',
  format('%I on %s', p.polname, p.polrelid::regclass),
  format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, p.polrelid::regclass,
    case when p.polpermissive then 'PERMISSIVE' else 'RESTRICTIVE' end,
    case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE' else 'ALL' end,
    (select string_agg(case when role = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(role)) end, ', ' order by role)
     from unnest(p.polroles) role),
    ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
    ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
from pg_policy p join pg_class c on c.oid = p.polrelid join mine n on n.oid = c.relnamespace
union all
select 'pg_statistic_ext'::regclass::oid::int8::float8, s.oid::int8::float8, 'statistics',
  format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
from pg_statistic_ext s join mine n on n.oid = s.stxnamespace`;

const commented = {
  schema: "SCHEMA",
  table: "TABLE",
  "table column": "COLUMN",
  view: "VIEW",
  "view column": "COLUMN",
  "materialized view": "MATERIALIZED VIEW",
  index: "INDEX",
  sequence: "SEQUENCE",
  function: "FUNCTION",
  procedure: "PROCEDURE",
  type: "TYPE",
  "table constraint": "CONSTRAINT",
  trigger: "TRIGGER",
  policy: "POLICY",
};

/** Postgres itself comments the schema "public", whose oid is below 16384. */
export const comments = `
select 0 as class, 0 as oid, 'comment' as kind, i.type || ' ' || i.identity as name,
  format('COMMENT ON %s %s IS %L', w.word, i.identity, d.description) as sql
from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) i
join (values ${Object.entries(commented)
  .map(([type, word]) => `('${type}', '${word}')`)
  .join(", ")}) as w (type, word) on w.type = i.type
where d.objoid >= 16384 and coalesce(i.schema, '') not in ('pg_catalog', 'information_schema', 'pgstead')
  and i.identity !~ '^pgstead($|[.])' and i.identity !~ ' on pgstead[.]'
  and not exists (select from member m where m.classid = d.classoid and m.objid = d.objoid)`;

/** No SQL is written for these kinds. Their names are listed, so that nobody believes they are covered. */
export const namedOnly = `
select d.classid::int8::float8 as class, d.objid::int8::float8 as oid, 'other' as kind,
  i.type || ' ' || i.identity as name, null as sql
from (
  select 'pg_proc'::regclass as classid, oid as objid from pg_proc where prokind = 'a'
  union all select 'pg_operator'::regclass, oid from pg_operator
  union all select 'pg_opclass'::regclass, oid from pg_opclass
  union all select 'pg_cast'::regclass, oid from pg_cast
  union all select 'pg_collation'::regclass, oid from pg_collation
  union all select 'pg_ts_config'::regclass, oid from pg_ts_config
  union all select 'pg_ts_dict'::regclass, oid from pg_ts_dict
  union all select 'pg_event_trigger'::regclass, oid from pg_event_trigger
  union all select 'pg_publication'::regclass, oid from pg_publication
  union all select 'pg_foreign_server'::regclass, oid from pg_foreign_server
  union all select 'pg_class'::regclass, oid from pg_class where relkind = 'f'
  union all select 'pg_type'::regclass, oid from pg_type where typtype = 'b' and typelem = 0
) d, lateral pg_identify_object(d.classid, d.objid, 0) i
where d.objid >= 16384 and coalesce(i.schema, '') not in ('pg_catalog', 'information_schema', 'pgstead')
  and not exists (select from member m where m.classid = d.classid and m.objid = d.objid)`;
