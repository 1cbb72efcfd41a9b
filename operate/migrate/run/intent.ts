import { createHash } from "node:crypto";

export type Direction = "up" | "down";

/** The recorded progress of a file that does not run in one transaction. */
export interface Progress {
  direction: Direction;
  /** SHA-256 of the finished units. They may not be edited before the rest has run. */
  doneHash: string;
  /** The next statement, recorded before it starts. It may or may not have run. */
  intent?: Intent;
}

/**
 * What the catalog shows of a recorded statement. `again`: it must run again. `half-built`: its index is
 * invalid and must be dropped first. `half-reindexed`: it must run again after its leftovers are dropped.
 * `half-detached`: the detach must be finalized.
 */
export type Outcome =
  | "again"
  | "done"
  | "unclear"
  | "half-built"
  | "half-reindexed"
  | "half-detached";

/** A statement that cannot run in a transaction, recorded before it starts. */
export interface Intent {
  kind: "catalog" | "unknowable";
  since: string;
  index?: IndexIntent;
  reindex?: ReindexIntent;
}

export interface ReindexIntent {
  /** Oids of the tables whose indexes are rebuilt; null for every table of the database. */
  tables: number[] | null;
  /** Oids of the leftovers of earlier statements. */
  known: number[];
}

export interface IndexIntent {
  table: number;
  name: string | null;
  /** An index of that name existed before our statement. */
  existed: boolean;
  /** Oid of the index that our statement was building. */
  oid?: number;
}

/** SHA-256 of each prefix of `texts` (0, 1, 2, ... of them), joined by NUL. */
export function hashPrefixes(texts: string[]): string[] {
  const hash = createHash("sha256");
  const prefixes = [hash.copy().digest("hex")];
  texts.forEach((text, i) => {
    hash.update(i > 0 ? `\0${text}` : text);
    prefixes.push(hash.copy().digest("hex"));
  });
  return prefixes;
}
