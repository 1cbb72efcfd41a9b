import { formatBytes } from "../human-units.ts";
import { isOlderVersion } from "../version-order.ts";
import type { Inventory, VectorIndex } from "./inventory.ts";

export interface Advice {
  /** `amiss` is wrong now; `review` is worth a look before it becomes slow. */
  kind: "amiss" | "review";
  about: string;
  text: string;
}

/** Below this a scan of all rows is about as fast as an index. */
const FEW_ROWS = 10_000;
/** As pgvector's own documentation has it. */
const HNSW = { m: 16, ef_construction: 64 };
const MANY_ROWS = 1_000_000;

/** What the numbers say; nothing is asked of the database. */
export function advise(inventory: Inventory, dimensions?: number): Advice[] {
  return [
    ...adviseVersions(inventory),
    ...adviseColumns(inventory, dimensions),
    ...inventory.indexes.flatMap((index) => adviseIndex(index, inventory)),
    ...adviseMemory(inventory),
  ];
}

function adviseVersions({ extension, library }: Inventory): Advice[] {
  if (!isOlderVersion(extension, library)) return [];
  const text = `the extension is ${extension} and the library ${library}; "pgstead up" brings the extension along`;
  return [{ kind: "amiss", about: "pgvector", text }];
}

function adviseColumns({ columns, indexes }: Inventory, dimensions?: number): Advice[] {
  return columns.flatMap(({ table, column, dimensions: found, rows }) => {
    const about = `${table}.${column}`;
    const advice: Advice[] = [];
    if (found === null) {
      const text = "any number of dimensions may be stored, so it cannot be indexed; declare one";
      advice.push({ kind: "review", about, text });
    } else if (dimensions !== undefined && found !== dimensions) {
      const text = `${found} dimensions, and the embedding model has ${dimensions} (pgstead:vector.dimensions)`;
      advice.push({ kind: "amiss", about, text });
    }
    const indexed = indexes.some((index) => index.table === table && mentions(index, column));
    if (!indexed && rows > FEW_ROWS) {
      const text = `no index: each search reads about ${rows} rows`;
      advice.push({ kind: "review", about, text });
    }
    return advice;
  });
}

const mentions = ({ expression }: VectorIndex, column: string) => expression.includes(column);

function adviseIndex(index: VectorIndex, { maintenanceWorkMem }: Inventory): Advice[] {
  const about = index.name;
  if (!index.valid) {
    const text = `invalid, so no search uses it: REINDEX INDEX CONCURRENTLY ${about}`;
    return [{ kind: "amiss", about, text }];
  }
  const review = index.method === "hnsw" ? hnsw(index, maintenanceWorkMem) : ivfflat(index);
  return review.map((text) => ({ kind: "review", about, text }));
}

function hnsw({ options, rows, dimensions }: VectorIndex, memory: number): string[] {
  const { m, ef_construction: width } = { ...HNSW, ...options };
  const said: string[] = [];
  if (width < 2 * m) said.push(`ef_construction ${width} is below twice m (${m}): recall suffers`);
  if (rows > MANY_ROWS && m <= HNSW.m && width <= HNSW.ef_construction) {
    said.push(`time to review: ${rows} rows with m ${m} and ef_construction ${width}`);
  }
  // The vector, its links on the lowest layer, and what stands around them.
  const graph = rows * ((dimensions ?? 0) * 4 + m * 2 * 16 + 128);
  if (graph > memory) {
    said.push(
      `building it anew takes about ${formatBytes(graph)} and maintenance_work_mem is ${formatBytes(memory)}: set postgres.maintenanceWorkMemMb before a REINDEX`,
    );
  }
  return said;
}

function ivfflat({ options, rows }: VectorIndex): string[] {
  const lists = options.lists ?? 100;
  const wanted = Math.max(1, Math.round(rows > MANY_ROWS ? Math.sqrt(rows) : rows / 1000));
  if (rows <= FEW_ROWS || (lists <= wanted * 3 && wanted <= lists * 3)) return [];
  return [`time to review: ${lists} lists for ${rows} rows, about ${wanted} are usual`];
}

function adviseMemory({ indexes, sharedBuffers, cache }: Inventory): Advice[] {
  const size = indexes.reduce((sum, { bytes: each }) => sum + each, 0);
  if (size <= sharedBuffers) return [];
  const fits = size <= cache;
  const text = fits
    ? `indexes of ${formatBytes(size)} fit into the system's cache, not into shared_buffers (${formatBytes(sharedBuffers)})`
    : `indexes of ${formatBytes(size)} outgrow the memory (effective_cache_size ${formatBytes(cache)}): searches read from disk; halfvec halves them`;
  return [{ kind: "review", about: "memory", text }];
}
