/**
 * Each query returns objects and the SQL that creates them. Names are qualified, because the
 * search_path is empty. `mine` has neither the system's schemas nor pgstead's; `member` lists what
 * belongs to an extension.
 */
export const MINE = `
with mine as (
  select oid, nspname from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema', 'pgstead') and nspname !~ '^pg_(toast|temp)'
), member as (
  select classid, objid from pg_depend where deptype = 'e'
)`;

const notMember = (catalog: string, oid: string) =>
  `not exists (select from member m where m.classid = '${catalog}'::regclass and m.objid = ${oid})`;

const columns = `(
  select string_agg(format(E'\\n  %I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
    case when a.attcollation <> t.typcollation then
      (select format(' COLLATE %I.%I', cn.nspname, co.collname) from pg_collation co
       join pg_namespace cn on cn.oid = co.collnamespace where co.oid = a.attcollation) end,
    case
      when a.attgenerated = 's' then format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
      when a.attgenerated = 'v' then format(' GENERATED ALWAYS AS (%s)', pg_get_expr(d.adbin, d.adrelid))
      when a.attidentity <> '' then format(' GENERATED %s AS IDENTITY%s',
        case a.attidentity when 'a' then 'ALWAYS' else 'BY DEFAULT' end,
        (select case when (s.seqstart, s.seqincrement, s.seqcache, s.seqcycle) <> (1, 1, 1, false) then
           format(' (START WITH %s INCREMENT BY %s CACHE %s%s)', s.seqstart, s.seqincrement, s.seqcache,
             case when s.seqcycle then ' CYCLE' end) end
         from pg_depend sd join pg_sequence s on s.seqrelid = sd.objid
         where sd.refobjid = a.attrelid and sd.refobjsubid = a.attnum and sd.deptype = 'i'))
      when d.adbin is not null then ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) end,
    case when a.attnotnull then ' NOT NULL' end), ',' order by a.attnum)
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and (a.attislocal or c.relispartition))`;

export const tables = `
select 'pg_class'::regclass::oid::int8::float8 as class, c.oid::int8::float8 as oid, 'table' as kind,
  format('%I.%I', n.nspname, c.relname) as name,
  format('CREATE %sTABLE %I.%I (%s%s)%s%s%s', case c.relpersistence when 'u' then 'UNLOGGED ' end,
    n.nspname, c.relname, ${columns}, E'\\n',
    (select format(' INHERITS (%s)', string_agg(inhparent::regclass::text, ', ' order by inhseqno))
     from pg_inherits where inhrelid = c.oid and not c.relispartition having count(*) > 0),
    ' PARTITION BY ' || pg_get_partkeydef(c.oid),
    ' WITH (' || array_to_string(c.reloptions, ', ') || ')') as sql
from pg_class c join mine n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and ${notMember("pg_class", "c.oid")}`;

export const attachments = `
select 0 as class, c.oid::int8::float8 as oid, 'partition' as kind, c.oid::regclass::text as name,
  format('ALTER TABLE %s ATTACH PARTITION %s %s', i.inhparent::regclass, c.oid::regclass,
    pg_get_expr(c.relpartbound, c.oid)) as sql
from pg_class c join mine n on n.oid = c.relnamespace join pg_inherits i on i.inhrelid = c.oid
where c.relispartition and c.relkind in ('r', 'p')`;

export const sequences = `
select 'pg_class'::regclass::oid::int8::float8 as class, c.oid::int8::float8 as oid, 'sequence' as kind,
  c.oid::regclass::text as name,
  format('CREATE SEQUENCE %s AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s',
    c.oid::regclass, format_type(s.seqtypid, null), s.seqincrement, s.seqmin, s.seqmax, s.seqstart,
    s.seqcache, case when s.seqcycle then ' CYCLE' end) as sql
from pg_sequence s join pg_class c on c.oid = s.seqrelid join mine n on n.oid = c.relnamespace
where ${notMember("pg_class", "c.oid")}
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i')`;

export const ownedSequences = `
select 0 as class, c.oid::int8::float8 as oid, 'sequence owner' as kind, c.oid::regclass::text as name,
  format('ALTER SEQUENCE %s OWNED BY %s.%I', c.oid::regclass, d.refobjid::regclass, a.attname) as sql
from pg_class c join mine n on n.oid = c.relnamespace
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'a'
  and d.refclassid = 'pg_class'::regclass
join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where c.relkind = 'S'`;

export const views = `
select 'pg_class'::regclass::oid::int8::float8 as class, c.oid::int8::float8 as oid,
  case c.relkind when 'v' then 'view' else 'materialized view' end as kind, c.oid::regclass::text as name,
  format('CREATE %sVIEW %s%s AS%s%s', case c.relkind when 'm' then 'MATERIALIZED ' end, c.oid::regclass,
    ' WITH (' || array_to_string(c.reloptions, ', ') || ')', E'\\n', rtrim(pg_get_viewdef(c.oid), ';')) as sql
from pg_class c join mine n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and ${notMember("pg_class", "c.oid")}`;

/** The parent's constraint creates those of its partitions. */
const constraintsOf = (kind: string, types: string) => `
select 'pg_constraint'::regclass::oid::int8::float8 as class, k.oid::int8::float8 as oid, '${kind}' as kind,
  format('%I on %s', k.conname, k.conrelid::regclass) as name,
  format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname,
    pg_get_constraintdef(k.oid)) as sql
from pg_constraint k join mine n on n.oid = k.connamespace
where k.contype in (${types}) and k.conrelid <> 0 and k.conparentid = 0 and k.conislocal
  and ${notMember("pg_class", "k.conrelid")}`;

export const constraints = constraintsOf("constraint", "'p', 'u', 'x', 'c'");
export const foreignKeys = constraintsOf("foreign key", "'f'");

export const indexes = `
select 'pg_class'::regclass::oid::int8::float8 as class, c.oid::int8::float8 as oid, 'index' as kind,
  c.oid::regclass::text as name,
  replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ')
    || case when not i.indisvalid and t.relkind <> 'p' then ' /* invalid */' else '' end as sql
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
join mine n on n.oid = c.relnamespace
where not c.relispartition and t.relkind in ('r', 'p', 'm') and ${notMember("pg_class", "t.oid")}
  and not exists (select from pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x'))`;

export const tableSettings = `
select 0 as class, c.oid::int8::float8 as oid, 'table setting' as kind, c.oid::regclass::text as name,
  concat_ws(E';\\n',
    case when c.relrowsecurity then format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass) end,
    case when c.relforcerowsecurity then format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', c.oid::regclass) end,
    case c.relreplident
      when 'f' then format('ALTER TABLE %s REPLICA IDENTITY FULL', c.oid::regclass)
      when 'n' then format('ALTER TABLE %s REPLICA IDENTITY NOTHING', c.oid::regclass)
      when 'i' then (select format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', c.oid::regclass, ic.relname)
        from pg_index i join pg_class ic on ic.oid = i.indexrelid
        where i.indrelid = c.oid and i.indisreplident) end) as sql
from pg_class c join mine n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and ${notMember("pg_class", "c.oid")}
  and (c.relrowsecurity or c.relforcerowsecurity or c.relreplident <> 'd')`;
