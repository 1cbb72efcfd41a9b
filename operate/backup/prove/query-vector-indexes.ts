import type { Client } from "pg";

const MAX_INDEXES = 5;
const NEIGHBOURS = 10;

/** Vector indexes, each with the distance operator that it supports. */
const INDEXES = `
  select format('%I.%I', n.nspname, c.relname) as table, format('%I', a.attname) as column,
    format('operator(%I.%s)', o_n.nspname, o.oprname) as nearest, format('%I', ic.relname) as index
  from pg_index i join pg_class ic on ic.oid = i.indexrelid join pg_am am on am.oid = ic.relam
  join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
  join pg_opclass k on k.oid = i.indclass[0]
  join pg_amop p on p.amopfamily = k.opcfamily and p.amoppurpose = 'o'
  join pg_operator o on o.oid = p.amopopr join pg_namespace o_n on o_n.oid = o.oprnamespace
  where am.amname in ('hnsw', 'ivfflat') and i.indisvalid and i.indpred is null
    and c.relkind = 'r' and c.reltuples <> 0
  order by 1, 2, 4 limit ${MAX_INDEXES}`;

const SESSION = `begin read only; set local enable_seqscan = off; set local enable_sort = off;
  set local ivfflat.probes = 32768`;

/** Queries each vector index once for the nearest neighbours of a row, as an application does. */
export async function queryVectorIndexes(
  client: Client,
): Promise<{ queries: number; problems: string[] }> {
  const problems: string[] = [];
  const { rows: indexes } = await client.query(INDEXES);
  for (const { table, column, nearest, index } of indexes) {
    try {
      await client.query(SESSION);
      const { rows } = await client.query(
        `select distance from (
           select ${column} ${nearest} (select ${column} from ${table} where ${column} is not null limit 1) as distance
           from ${table} order by 1 limit ${NEIGHBOURS}) as neighbours`,
      );
      // Zero vectors are not in a cosine index.
      const { rows: filled } = await client.query(
        `select exists (select from ${table} where ${column} ${nearest} ${column} <> 'NaN') as filled`,
      );
      if (filled[0].filled && rows.length === 0) {
        problems.push(`index ${index} of ${table} finds nothing`);
      }
    } catch (error) {
      problems.push(`vector query on ${table} by ${index}: ${(error as Error).message}`);
    } finally {
      await client.query("rollback").catch(() => {});
    }
  }
  return { queries: indexes.length, problems };
}
