import { createHash } from "node:crypto";

export type Direction = "up" | "down";

/** What the history remembers of a file that does not run in one transaction. */
export interface Progress {
  direction: Direction;
  /** SHA-256 of the units that are done: those may not be edited before the rest runs. */
  doneHash: string;
  /** A statement that was about to run; whether it did is not known from here. */
  intent?: Intent;
}

export interface Intent {
  kind: "catalog" | "unknowable";
  since: string;
  index?: IndexIntent;
}

export interface IndexIntent {
  table: number;
  name: string | null;
  /** An index of that name stood there before us. */
  existed: boolean;
  /** The index that our statement was seen to build. */
  oid?: number;
}

/** SHA-256 of the first none, one, two, ... of `texts`, joined by NUL; each is hashed once. */
export function hashPrefixes(texts: string[]): string[] {
  const hash = createHash("sha256");
  const heads = [hash.copy().digest("hex")];
  texts.forEach((text, i) => {
    hash.update(i > 0 ? `\0${text}` : text);
    heads.push(hash.copy().digest("hex"));
  });
  return heads;
}
