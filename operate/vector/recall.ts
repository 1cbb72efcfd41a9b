import type pg from "pg";
import type { VectorIndex } from "./inventory.ts";

export interface RecallOptions {
  /** Number of rows whose nearest neighbours are searched. */
  samples: number;
  /** Neighbours per row. */
  neighbours: number;
  /** Time limit of the measurement. The result covers the samples measured until then. */
  budgetMs: number;
}

export interface Recall {
  index: string;
  /** Between 0 and 1; null where no sample was measured. */
  recall: number | null;
  samples: number;
  neighbours: number;
  /** The setting of the search, such as `hnsw.ef_search = 40`. */
  setting: string;
  problem: string | null;
}

/**
 * Compares what an index finds with a scan of all rows. The row itself does not count as a neighbour.
 * A row at the same distance as the last neighbour counts as found, because their order is arbitrary.
 */
export async function measureRecall(
  client: pg.Client,
  index: VectorIndex,
  setting: { name: string; value: number },
  options: RecallOptions,
): Promise<Recall> {
  const deadline = Date.now() + options.budgetMs;
  const shown = `${setting.name} = ${setting.value}`;
  const result = { index: index.name, neighbours: options.neighbours, setting: shown };
  let found = 0;
  let wanted = 0;
  let samples = 0;
  try {
    const qualified = { ...index, operator: await qualifyOperator(client, index.operator) };
    await client.query(`set local ${setting.name} = ${setting.value}`);
    for (const { id, vector } of await readSamples(client, index, options.samples)) {
      const left = deadline - Date.now();
      if (left <= 0) break;
      await client.query(`set local statement_timeout = ${left}`);
      const exact = await readNearestDistances(
        client,
        qualified,
        { id, vector },
        options.neighbours,
        false,
      );
      const approximate = await readNearestDistances(
        client,
        qualified,
        { id, vector },
        options.neighbours,
        true,
      );
      const farthest = exact.at(-1);
      if (farthest === undefined) continue;
      wanted += exact.length;
      found += approximate.filter((distance) => distance <= farthest).length;
      samples++;
    }
  } catch (error) {
    // After a timeout the samples measured so far still count.
    const { code, message } = error as Error & { code?: string };
    if (code !== QUERY_CANCELED) return { ...result, recall: null, samples, problem: message };
  }
  const problem = samples > 0 ? null : `no sample in ${options.budgetMs} ms, or no row to sample`;
  return { ...result, recall: wanted > 0 ? found / wanted : null, samples, problem };
}

/** The extension's own operator, not one of that name in the user's path (S27). */
async function qualifyOperator(client: pg.Client, operator: string): Promise<string> {
  const { rows } = await client.query<{ qualified: string }>(
    `select format('operator(%I.%s)', nspname, $1::text) as qualified
     from pg_extension join pg_namespace n on n.oid = extnamespace where extname = 'vector'`,
    [operator],
  );
  return rows[0]?.qualified ?? operator;
}

const QUERY_CANCELED = "57014";

interface Sample {
  id: string;
  vector: string;
}

/** Reads rows from all parts of the table, the same ones each time. */
async function readSamples(
  client: pg.Client,
  index: VectorIndex,
  count: number,
): Promise<Sample[]> {
  const percent = Math.min(100, Math.max(0.01, (count * 5_000) / Math.max(1, index.rows)));
  const { rows } = await client.query<Sample>(
    `select ctid::text as id, (${index.expression})::text as vector
     from ${index.table} tablesample bernoulli (${percent}) repeatable (1)
     where (${index.expression}) is not null ${buildPredicate(index.predicate)} limit ${count}`,
  );
  return rows;
}

async function readNearestDistances(
  client: pg.Client,
  index: VectorIndex,
  { id, vector }: Sample,
  count: number,
  byIndex: boolean,
): Promise<number[]> {
  const on = (yes: boolean) => (yes ? "on" : "off");
  await client.query(
    `set local enable_seqscan = ${on(!byIndex)}; set local enable_indexscan = ${on(byIndex)};
     set local enable_bitmapscan = off; set local enable_sort = ${on(!byIndex)}`,
  );
  const order = `(${index.expression}) ${index.operator} '${vector.replaceAll("'", "''")}'`;
  const { rows } = await client.query<{ id: string; d: number }>(
    `select ctid::text as id, (${order})::float8 as d from ${index.table}
     where true ${buildPredicate(index.predicate)} order by ${order} limit ${count + 1}`,
  );
  return rows
    .filter((row) => row.id !== id)
    .slice(0, count)
    .map(({ d }) => d);
}

const buildPredicate = (predicate: string | null) => (predicate ? `and (${predicate})` : "");
