import { sha256 } from "./checksum.ts";

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

export const hashOf = (texts: string[]) => sha256(texts.join("\0"));
