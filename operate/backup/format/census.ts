/** A client of `pg`, or one that queries over the connection of the embedded dump. */
export interface Queryable {
  // biome-ignore lint/suspicious/noExplicitAny: rows are what the statement says they are.
  query(sql: string): Promise<{ rows: any[] }>;
}

/** What a database holds, read in the dump's snapshot and again after the restore (S13). */
export interface Census {
  /** Number of objects of each kind. */
  objects: Record<string, number>;
  /** Rows of each table. */
  rows: Record<string, number>;
  /** Hash of each table's content; see `hashContent`. */
  sums: Record<string, string>;
  /** Last value of each sequence. Sequences ignore snapshots, so the dump may have a later value. */
  sequences: Record<string, { at: string; step: string; cycles: boolean }>;
}

const isMember = (catalog: string, oid: string) =>
  `exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** What pg_dump dumps: nothing of system schemas, nothing that belongs to an extension. */
const DUMPED_RELATIONS = `
  select c.oid, c.relkind, c.relname, n.nspname, format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not ${isMember("pg_class", "c.oid")}`;

const DUMPED_ROUTINES = `
  select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not ${isMember("pg_proc", "p.oid")}`;

/** Without invalid indexes, as in pg_dump. */
const OBJECTS = `
  with relation as materialized (${DUMPED_RELATIONS})
  select (select count(*)::int from relation where relkind in ('r', 'p')) as tables,
    (select count(*)::int from relation where relkind in ('v', 'm')) as views,
    (select count(*)::int from relation where relkind = 'S') as sequences,
    (select count(*)::int from pg_index i join relation t on t.oid = i.indrelid
      where i.indisvalid and t.relkind in ('r', 'm')) as indexes,
    (select count(*)::int from pg_constraint k join relation t on t.oid = k.conrelid
      where k.contype in ('c', 'f', 'p', 'u', 'x')) as constraints,
    (select count(*)::int from pg_constraint k join relation t on t.oid = k.conrelid
      where k.contype in ('c', 'f') and k.convalidated) as "validated constraints",
    (select count(*)::int from pg_trigger g join relation t on t.oid = g.tgrelid
      where not g.tgisinternal) as triggers,
    (select count(*)::int from pg_policy y join relation t on t.oid = y.polrelid) as policies,
    (select count(*)::int from (${DUMPED_ROUTINES}) as routine) as routines,
    (select count(*)::int from pg_extension) as extensions,
    (select count(*)::int from pg_largeobject_metadata) as "large objects"`;

/** The text of a value must not depend on the settings of the session. */
const SESSION = `set local search_path = pg_catalog, pg_temp; set local timezone = 'UTC';
  set local datestyle = 'ISO, YMD'; set local intervalstyle = 'iso_8601'; set local bytea_output = 'hex';
  set local extra_float_digits = 1; set local lc_monetary = 'C'; set local row_security = off;
  set local jit = off`;

/** Call it in a transaction: it changes the transaction's settings. */
export async function readCensus(client: Queryable): Promise<Census> {
  await client.query(SESSION);
  return {
    objects: (await client.query(OBJECTS)).rows[0],
    sequences: await readSequences(client),
    ...(await readTables(client)),
  };
}

async function readSequences(client: Queryable): Promise<Census["sequences"]> {
  const { rows } = await client.query(`
    select r.name, q.increment_by::text as step, q.cycle as cycles,
      coalesce(q.last_value, q.start_value - q.increment_by)::text as at
    from (${DUMPED_RELATIONS}) r
    join pg_sequences q on q.schemaname = r.nspname and q.sequencename = r.relname
    where r.relkind = 'S' order by 1`);
  return Object.fromEntries(rows.map(({ name, ...sequence }) => [name, sequence]));
}

async function readTables(client: Queryable): Promise<Pick<Census, "rows" | "sums">> {
  const { rows: tables } = await client.query(`
    select r.name, (
      select string_agg(format('%I', a.attname), ', ' order by k.place)
      from pg_index i cross join unnest(i.indkey[:i.indnkeyatts - 1]) with ordinality as k (attnum, place)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
      where i.indrelid = r.oid and i.indisprimary) as key
    from (${DUMPED_RELATIONS}) r where r.relkind = 'r' order by 1`);
  const census: Pick<Census, "rows" | "sums"> = { rows: {}, sums: {} };
  for (const { name, key } of tables) {
    const counted = await client.query(`select count(*)::float8 as rows from only ${name}`);
    const count: number = counted.rows[0].rows;
    census.rows[name] = count;
    const sum = await hashContent(client, name, count, key);
    if (sum) census.sums[name] = sum;
  }
  return census;
}

const SAMPLE = 500;

/**
 * Hashes all rows of a small table, and the first and last rows by key of a large one: hashing every
 * row would take longer than the dump. A large table without a key has no hash. `t::text` would call a
 * cast of the table's owner (S27), and `format` does not.
 */
async function hashContent(
  client: Queryable,
  table: string,
  count: number,
  key: string | null,
): Promise<string | undefined> {
  if (!key && count > SAMPLE * 2) return undefined;
  const descending = key?.replaceAll(", ", " desc, ");
  const rows =
    key && count > SAMPLE * 2
      ? `(select format('%s', t) as content from only ${table} t order by ${key} limit ${SAMPLE})
         union all (select format('%s', t) from only ${table} t order by ${descending} desc limit ${SAMPLE})`
      : `select format('%s', t) as content from only ${table} t`;
  const { rows: summed } = await client.query(
    `select md5(coalesce(string_agg(md5(content), '' order by md5(content)), '')) as sum from (${rows}) as sample`,
  );
  return summed[0].sum;
}
