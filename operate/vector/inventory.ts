import type pg from "pg";

export interface VectorColumn {
  table: string;
  column: string;
  type: string;
  /** Null where the column is declared without a number. */
  dimensions: number | null;
  rows: number;
}

export interface VectorIndex {
  name: string;
  table: string;
  /** What is indexed: a column, or an expression over it. */
  expression: string;
  predicate: string | null;
  method: "hnsw" | "ivfflat";
  operator: string;
  dimensions: number | null;
  /** The options given with the index. A missing one has the extension's default. */
  options: Record<string, number>;
  valid: boolean;
  bytes: number;
  rows: number;
}

export interface Inventory {
  /** Version of the extension in this database. */
  extension: string;
  /** Version of the server's library. */
  library: string;
  columns: VectorColumn[];
  indexes: VectorIndex[];
  sharedBuffers: number;
  cache: number;
  maintenanceWorkMem: number;
}

const VERSIONS = `
  select installed_version as extension, default_version as library
  from pg_available_extensions where name = 'vector'`;

const COLUMNS = `
  select format('%I.%I', n.nspname, c.relname) as table, a.attname as column, t.typname as type,
         nullif(a.atttypmod, -1) as dimensions, greatest(c.reltuples, 0)::float8 as rows
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'm')
  join pg_namespace n on n.oid = c.relnamespace
  join pg_type t on t.oid = a.atttypid
  join pg_depend d on d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e'
  join pg_extension e on e.oid = d.refobjid and e.extname = 'vector'
  where a.attnum > 0 and not a.attisdropped
  order by 1, 2`;

const INDEXES = `
  select format('%I.%I', n.nspname, i.relname) as name, format('%I.%I', tn.nspname, t.relname) as table,
         pg_get_indexdef(x.indexrelid, 1, true) as expression,
         pg_get_expr(x.indpred, x.indrelid) as predicate, am.amname as method,
         nullif(a.atttypmod, -1) as dimensions, coalesce(i.reloptions, '{}') as options,
         x.indisvalid as valid, pg_relation_size(i.oid)::float8 as bytes,
         greatest(t.reltuples, 0)::float8 as rows,
         (select o.oprname from pg_amop p join pg_operator o on o.oid = p.amopopr
          where p.amopfamily = oc.opcfamily and p.amoppurpose = 'o' limit 1) as operator
  from pg_index x
  join pg_class i on i.oid = x.indexrelid and i.relkind = 'i'
  join pg_namespace n on n.oid = i.relnamespace
  join pg_class t on t.oid = x.indrelid
  join pg_namespace tn on tn.oid = t.relnamespace
  join pg_am am on am.oid = i.relam and am.amname in ('hnsw', 'ivfflat')
  join pg_attribute a on a.attrelid = i.oid and a.attnum = 1
  join pg_opclass oc on oc.oid = x.indclass[0]
  order by 1`;

const MEMORY = `
  select pg_size_bytes(current_setting('shared_buffers'))::float8 as shared,
         pg_size_bytes(current_setting('effective_cache_size'))::float8 as cache,
         pg_size_bytes(current_setting('maintenance_work_mem'))::float8 as maintenance`;

/** Reads the vector columns and indexes of this database; undefined without the extension. */
export async function readInventory(client: pg.Client): Promise<Inventory | undefined> {
  const [versions] = await queryRows<{ extension: string | null; library: string }>(
    client,
    VERSIONS,
  );
  if (!versions?.extension) return undefined;
  const indexes = await queryRows<VectorIndex & { options: string[] }>(client, INDEXES);
  const [memory] = await queryRows<Record<string, number>>(client, MEMORY);
  return {
    extension: versions.extension,
    library: versions.library,
    columns: await queryRows<VectorColumn>(client, COLUMNS),
    indexes: indexes.map((index) => ({ ...index, options: parseOptions(index.options) })),
    sharedBuffers: memory?.shared as number,
    cache: memory?.cache as number,
    maintenanceWorkMem: memory?.maintenance as number,
  };
}

const queryRows = async <T>(client: pg.Client, sql: string) =>
  (await client.query(sql)).rows as T[];

const parseOptions = (options: string[]) =>
  Object.fromEntries(
    options.map((option) => {
      const [name = "", value] = option.split("=");
      return [name, Number(value)];
    }),
  );
