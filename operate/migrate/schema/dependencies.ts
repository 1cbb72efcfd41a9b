import type { Client } from "pg";
import type { SchemaObject } from "./schema-object.ts";

/**
 * Which object needs which. A catalog row that is part of an object (a default, a view's rule, a row
 * type) counts as the object.
 */
const EDGES = `
with part as (
  select 'pg_rewrite'::regclass::oid as class, oid, ev_class as whole from pg_rewrite
  union all select 'pg_attrdef'::regclass, oid, adrelid from pg_attrdef
  union all select 'pg_type'::regclass, oid, typrelid from pg_type where typrelid <> 0
    and exists (select from pg_class c where c.oid = typrelid and c.relkind <> 'c')
  union all select 'pg_class'::regclass, oid, reltype from pg_class where relkind = 'c'
), arr as (
  select a.oid, e.oid as elem, e.typrelid from pg_type a join pg_type e on e.oid = a.typelem
  where a.typcategory = 'A'
), edge as (
  select d.classid, d.objid, d.refclassid, coalesce(arr.elem, d.refobjid) as refobjid, d.deptype
  from pg_depend d left join arr on d.refclassid = 'pg_type'::regclass and arr.oid = d.refobjid
  where d.objid >= 16384 and d.refobjid >= 2200 and d.deptype in ('n', 'a')
)
select distinct
  coalesce(p.whole, e.objid)::int8::float8 as needs, coalesce(q.whole, e.refobjid)::int8::float8 as needed
from edge e left join part p on p.class = e.classid and p.oid = e.objid
left join part q on q.class = e.refclassid and q.oid = e.refobjid
where not (e.deptype = 'a' and exists (select from pg_class s where s.oid = e.objid and s.relkind = 'S'))
  and coalesce(p.whole, e.objid) <> coalesce(q.whole, e.refobjid)`;

/** An object comes after the objects that it needs; apart from that the given order stays. */
export async function sortByDependency(
  client: Client,
  objects: SchemaObject[],
): Promise<SchemaObject[]> {
  const { rows } = await client.query<{ needs: number; needed: number }>(EDGES);
  // Two catalogs may use one oid for two objects; that costs the order of those two at most.
  const byOid = new Map(objects.filter((one) => one.class !== 0).map((one) => [one.oid, one]));
  const needed = new Map<number, SchemaObject[]>();
  for (const row of rows) {
    const object = byOid.get(row.needed);
    if (object) needed.set(row.needs, [...(needed.get(row.needs) ?? []), object]);
  }
  const place = new Map(objects.map((object, index) => [object, index]));
  const ordered = new Set<SchemaObject>();
  const visiting = new Set<SchemaObject>();
  const visit = (object: SchemaObject) => {
    if (ordered.has(object) || visiting.has(object)) return;
    visiting.add(object);
    const first = object.class === 0 ? [] : (needed.get(object.oid) ?? []);
    first.sort((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
    for (const one of first) visit(one);
    visiting.delete(object);
    ordered.add(object);
  };
  for (const object of objects) visit(object);
  return [...ordered];
}
