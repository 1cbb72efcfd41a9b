import type { Client } from "pg";
import { buildDistance, readVectorIndexes, type VectorIndex } from "../../vector/inventory.ts";

const MAX_INDEXES = 5;
const NEIGHBOURS = 10;

export interface VectorQueries {
  /** Number of indexes that were queried. */
  queries: number;
  /** Indexes that were not queried, each with the reason. */
  leftOut: string[];
  problems: string[];
}

type Outcome = "queried" | { leftOut: string } | { problem: string };

const SESSION = `begin read only; set local enable_seqscan = off; set local enable_bitmapscan = off;
  set local enable_sort = off; set local ivfflat.probes = 32768`;

/** Queries vector indexes once each for the nearest neighbours of a row, as an application does. */
export async function queryVectorIndexes(client: Client): Promise<VectorQueries> {
  const result: VectorQueries = { queries: 0, leftOut: [], problems: [] };
  for (const index of await readVectorIndexes(client)) {
    const outcome =
      result.queries < MAX_INDEXES
        ? await queryInTransaction(client, index)
        : { leftOut: `only ${MAX_INDEXES} are queried` };
    if (outcome === "queried") result.queries++;
    else if ("leftOut" in outcome) result.leftOut.push(`${index.name} (${outcome.leftOut})`);
    else {
      result.queries++;
      result.problems.push(`index ${index.name} of ${index.table} ${outcome.problem}`);
    }
  }
  return result;
}

async function queryInTransaction(client: Client, index: VectorIndex): Promise<Outcome> {
  if (!index.valid) return { leftOut: "invalid" };
  try {
    await client.query(SESSION);
    return await queryIndex(client, index);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return code === NOT_POPULATED
      ? { leftOut: "its materialized view has no data" }
      : { problem: `cannot be queried: ${message}` };
  } finally {
    await client.query("rollback").catch(() => {});
  }
}

/** SQLSTATE of a query on a materialized view that was made WITH NO DATA. */
const NOT_POPULATED = "55000";

async function queryIndex(client: Client, index: VectorIndex): Promise<Outcome> {
  const { table, expression, predicate } = index;
  const distance = buildDistance(index);
  const condition = predicate ? `(${predicate})` : "true";
  // The distance to itself is NaN for a zero vector, and zero vectors are not in a cosine index.
  const indexed = `${condition} and ${distance} (${expression}) <> 'NaN'`;
  const { rows: samples } = await client.query(
    `select (${expression})::text as vector from ${table} where ${indexed} limit 1`,
  );
  if (samples.length === 0) return { leftOut: "no row is in it" };
  const nearest = `select from ${table} where ${condition}
    order by ${distance} ${client.escapeLiteral(samples[0].vector)} limit ${NEIGHBOURS}`;
  const { rows: plan } = await client.query(`explain (format json) ${nearest}`);
  const used = findIndexName(plan[0]["QUERY PLAN"][0].Plan);
  const isUsed =
    used && [used, client.escapeIdentifier(used)].some((name) => index.name.endsWith(`.${name}`));
  if (!isUsed) return { leftOut: `the planner prefers ${used ?? "a scan"}` };
  const { rows } = await client.query(nearest);
  return rows.length > 0 ? "queried" : { problem: "finds nothing" };
}

interface PlanNode {
  "Index Name"?: string;
  Plans?: PlanNode[];
}

const findIndexName = (node: PlanNode): string | undefined =>
  node["Index Name"] ?? node.Plans?.map(findIndexName).find((name) => name !== undefined);
