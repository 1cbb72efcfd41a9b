/** A client of `pg`, or one that asks on the connection of the dump itself. */
export interface Asker {
  // biome-ignore lint/suspicious/noExplicitAny: rows are what the statement says they are.
  query(sql: string): Promise<{ rows: any[] }>;
}

/** What a database holds, taken in the dump's snapshot and again where the dump was restored (S13). */
export interface Census {
  /** How many there are of each kind. */
  objects: Record<string, number>;
  /** Rows of each table. */
  rows: Record<string, number>;
  /** Content of each table, as `content` describes. */
  sums: Record<string, string>;
  /** Where each sequence stands; no snapshot holds it, so it may be further on in the dump. */
  sequences: Record<string, { at: string; step: string; cycles: boolean }>;
}

const isMember = (catalog: string, oid: string) =>
  `exists (select from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** Of nobody's schema but the user's, and no part of an extension: what pg_dump takes along. */
const DUMPED_RELATIONS = `
  select c.oid, c.relkind, c.relname, n.nspname, format('%I.%I', n.nspname, c.relname) as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not ${isMember("pg_class", "c.oid")}`;

const DUMPED_ROUTINES = `
  select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and not ${isMember("pg_proc", "p.oid")}`;

/** Invalid indexes are left out, as pg_dump leaves them out. */
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

/** How a value looks as text must not depend on the session that asks. */
const SESSION = `set local search_path = pg_catalog; set local timezone = 'UTC';
  set local datestyle = 'ISO, YMD'; set local intervalstyle = 'iso_8601'; set local bytea_output = 'hex';
  set local extra_float_digits = 1; set local lc_monetary = 'C'; set local row_security = off;
  set local jit = off`;

/** Inside a transaction, whose settings it changes. */
export async function readCensus(client: Asker): Promise<Census> {
  await client.query(SESSION);
  return {
    objects: (await client.query(OBJECTS)).rows[0],
    sequences: await readSequences(client),
    ...(await readTables(client)),
  };
}

async function readSequences(client: Asker): Promise<Census["sequences"]> {
  const { rows } = await client.query(`
    select r.name, q.increment_by::text as step, q.cycle as cycles,
      coalesce(q.last_value, q.start_value - q.increment_by)::text as at
    from (${DUMPED_RELATIONS}) r
    join pg_sequences q on q.schemaname = r.nspname and q.sequencename = r.relname
    where r.relkind = 'S' order by 1`);
  return Object.fromEntries(rows.map(({ name, ...sequence }) => [name, sequence]));
}

async function readTables(client: Asker): Promise<Pick<Census, "rows" | "sums">> {
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
    const sum = await content(client, name, count, key);
    if (sum) census.sums[name] = sum;
  }
  return census;
}

const SAMPLE = 500;

/**
 * Of a table with a key the first and the last rows, of a small one without all of them: a sum over
 * everything would take longer than the dump.
 */
async function content(
  client: Asker,
  table: string,
  count: number,
  key: string | null,
): Promise<string | undefined> {
  if (!key && count > SAMPLE * 2) return undefined;
  const descending = key?.replaceAll(", ", " desc, ");
  const rows =
    key && count > SAMPLE * 2
      ? `(select t::text as content from only ${table} t order by ${key} limit ${SAMPLE})
         union all (select t::text from only ${table} t order by ${descending} desc limit ${SAMPLE})`
      : `select t::text as content from only ${table} t`;
  const { rows: summed } = await client.query(
    `select md5(coalesce(string_agg(md5(content), '' order by md5(content)), '')) as sum from (${rows}) as sample`,
  );
  return summed[0].sum;
}
