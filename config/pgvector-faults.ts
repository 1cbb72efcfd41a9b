import { isOlderVersion } from "./version-order.ts";

/** What the changelog of pgvector calls fixed and what damages data or memory on 64-bit systems. */
export const PGVECTOR_FAULTS = [
  { fixedIn: "0.8.2", fault: "a buffer overflow in parallel builds of HNSW indexes" },
  { fixedIn: "0.8.3", fault: "index corruption by a vacuum of HNSW indexes" },
  { fixedIn: "0.8.4", fault: "failed inserts during a vacuum of HNSW indexes" },
  { fixedIn: "0.8.7", fault: "a buffer overflow in builds of IVFFlat indexes" },
];

/** A warning for a version with known faults; undefined for one without. */
export function describePgvectorFaults(version: string): string | undefined {
  const open = PGVECTOR_FAULTS.filter(({ fixedIn }) => isOlderVersion(version, fixedIn));
  const newest = open.at(-1)?.fixedIn;
  if (!newest) return undefined;
  const faults = open.map(({ fault, fixedIn }) => `${fault} (fixed in ${fixedIn})`).join(", ");
  return `pgvector ${version} has known faults: ${faults}; take ${newest} or newer (postgres.pgvector)`;
}
