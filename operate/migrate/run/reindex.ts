import { asPgstead, resolveName, withoutTimeouts } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import type { Statement } from "../sql/statements.ts";
import { IS_BEING_BUILT } from "./index-build.ts";
import type { ReindexIntent } from "./intent.ts";

interface RangeVar {
  schemaname?: string;
  relname: string;
}

interface ReindexNode {
  kind: string;
  relation?: RangeVar;
  name?: string;
}

/** Reads the catalog before a REINDEX: its tables, and what an earlier one has left on them. */
export async function prepareReindex(runner: Runner, { node }: Statement): Promise<ReindexIntent> {
  const tables = await findTables(runner, node as unknown as ReindexNode);
  const found = await findLeftovers(runner, { tables, known: [] });
  return { tables, known: found.map(({ oid }) => oid) };
}

/**
 * S7: a REINDEX CONCURRENTLY that is interrupted leaves an invalid index `..._ccnew` or `..._ccold`. This
 * drops those that our statement left: on its tables, not there before, and built by no other session.
 */
export async function dropLeftovers(runner: Runner, intent: ReindexIntent): Promise<void> {
  const leftovers = await findLeftovers(runner, intent);
  for (const { name } of leftovers) {
    await withoutTimeouts(runner.client, () =>
      runner.client.query(`drop index concurrently if exists ${name}`),
    );
  }
}

/** With their partitions and TOAST tables, whose indexes are rebuilt too; null means every table. */
async function findTables(
  runner: Runner,
  { kind, relation, name }: ReindexNode,
): Promise<number[] | null> {
  if (kind === "REINDEX_OBJECT_SCHEMA") {
    return readOids(
      runner,
      "select oid from pg_catalog.pg_class where relnamespace = to_regnamespace($1)",
      runner.client.escapeIdentifier(name ?? ""),
    );
  }
  if (!relation) return null;
  const qualified = [relation.schemaname, relation.relname]
    .filter((part) => part !== undefined)
    .map((part) => runner.client.escapeIdentifier(part))
    .join(".");
  return readOids(
    runner,
    `with named as (
       select $1::oid as oid
       union select relid from pg_catalog.pg_partition_tree($1::oid::regclass)
     )
     select coalesce(i.indrelid, named.oid) as oid
     from named left join pg_catalog.pg_index i on i.indexrelid = named.oid where named.oid is not null`,
    await resolveName(runner.client, qualified),
  );
}

async function readOids(
  { client, settings }: Runner,
  sql: string,
  value: string | number | null,
): Promise<number[]> {
  const { rows } = await asPgstead(client, settings, () =>
    client.query(
      `with tables as (${sql})
     select oid::int8::float8 as oid from tables
     union select reltoastrelid::int8::float8 from pg_catalog.pg_class join tables using (oid)
     where reltoastrelid <> 0`,
      [value],
    ),
  );
  return rows.map(({ oid }) => oid);
}

async function findLeftovers(
  { client, settings }: Runner,
  { tables, known }: ReindexIntent,
): Promise<{ oid: number; name: string }[]> {
  const { rows } = await asPgstead(client, settings, () =>
    client.query(
      `select i.indexrelid::int8::float8 as oid, i.indexrelid::regclass::text as name
     from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
     where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'
       and ($1::oid[] is null or i.indrelid = any ($1::oid[]))
       and i.indexrelid <> all ($2::oid[])
        and not ${IS_BEING_BUILT}`,
      [tables, known],
    ),
  );
  return rows;
}
