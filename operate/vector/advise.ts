import { isOlderVersion } from "../../config/version-order.ts";
import { formatBytes } from "../human-units.ts";
import type { Inventory, VectorIndex } from "./inventory.ts";

export interface Advice {
  /** `amiss`: wrong now. `review`: worth a look before searches become slow. */
  kind: "amiss" | "review";
  about: string;
  text: string;
}

/** Up to this number a scan of all rows is about as fast as an index. */
const FEW_ROWS = 10_000;
/** The defaults of pgvector. */
const HNSW = { m: 16, ef_construction: 64 };
const MANY_ROWS = 1_000_000;

/** Derives advice from the inventory alone, without a query. */
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
  const text = `the extension is ${extension} and the library is ${library}; "pgstead up" updates the extension`;
  return [{ kind: "amiss", about: "pgvector", text }];
}

function adviseColumns({ columns, indexes }: Inventory, dimensions?: number): Advice[] {
  return columns.flatMap(({ table, column, dimensions: found, rows }) => {
    const about = `${table}.${column}`;
    const advice: Advice[] = [];
    if (found === null) {
      const text = "the column has no number of dimensions, so it cannot be indexed; declare one";
      advice.push({ kind: "review", about, text });
    } else if (dimensions !== undefined && found !== dimensions) {
      const text = `${found} dimensions, and the embedding model has ${dimensions} (pgstead:vector.dimensions)`;
      advice.push({ kind: "amiss", about, text });
    }
    const indexed = indexes.some((index) => index.table === table && mentionsColumn(index, column));
    if (!indexed && rows > FEW_ROWS) {
      const text = `no index: each search reads about ${rows} rows`;
      advice.push({ kind: "review", about, text });
    }
    return advice;
  });
}

const mentionsColumn = ({ expression }: VectorIndex, column: string) => expression.includes(column);

function adviseIndex(index: VectorIndex, { maintenanceWorkMem }: Inventory): Advice[] {
  const about = index.name;
  if (!index.valid) {
    const text = `invalid, so no search uses it: REINDEX INDEX CONCURRENTLY ${about}`;
    return [{ kind: "amiss", about, text }];
  }
  const review =
    index.method === "hnsw" ? reviewHnsw(index, maintenanceWorkMem) : reviewIvfflat(index);
  return review.map((text) => ({ kind: "review", about, text }));
}

function reviewHnsw({ options, rows, dimensions }: VectorIndex, memory: number): string[] {
  const { m, ef_construction: width } = { ...HNSW, ...options };
  const findings: string[] = [];
  if (width < 2 * m) {
    findings.push(`ef_construction ${width} is below twice m (${m}): searches miss more rows`);
  }
  if (rows > MANY_ROWS && m <= HNSW.m && width <= HNSW.ef_construction) {
    findings.push(`time to review: ${rows} rows with m ${m} and ef_construction ${width}`);
  }
  // Bytes of a row: the vector, its links on the lowest layer, and headers.
  const graph = rows * ((dimensions ?? 0) * 4 + m * 2 * 16 + 128);
  if (graph > memory) {
    findings.push(
      `a rebuild needs about ${formatBytes(graph)} of memory and maintenance_work_mem is ${formatBytes(memory)}: set postgres.maintenanceWorkMemMb before a REINDEX`,
    );
  }
  return findings;
}

function reviewIvfflat({ options, rows }: VectorIndex): string[] {
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
    ? `indexes of ${formatBytes(size)} fit into the system's cache, but not into shared_buffers (${formatBytes(sharedBuffers)})`
    : `indexes of ${formatBytes(size)} are larger than the memory (effective_cache_size ${formatBytes(cache)}): searches read from disk; halfvec halves them`;
  return [{ kind: "review", about: "memory", text }];
}
