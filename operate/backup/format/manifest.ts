import { readFileSync } from "node:fs";
import * as z from "zod";
import { type Seal, SealRecord, type SealState } from "./seal.ts";

/** A file of the backup, by its name in the backup folder and under `dumps/` of the bucket. */
const Part = z.strictObject({
  file: z.string(),
  size: z.int(),
  sha256: z.string().length(64),
});
export type Part = z.infer<typeof Part>;

/**
 * What a backup holds, written last: files without a manifest are no backup. Unknown keys are let
 * through, because a manifest may be read by an older program than the one that wrote it.
 */
export const Manifest = z.looseObject({
  version: z.literal(1),
  id: z.string(),
  stack: z.string(),
  database: z.string(),
  format: z.enum(["custom", "plain"]),
  dump: Part,
  /** Roles and tablespaces, without passwords. */
  globals: Part.optional(),
  /** What `ALTER DATABASE ... SET`, CONNECT grants and the locale are made again from. */
  properties: Part.optional(),
  /** False if pg_dump warned of something that it left out: such a backup does not count. */
  complete: z.boolean(),
  warnings: z.array(z.string()),
  serverVersion: z.string(),
  dumpVersion: z.string(),
  pgsteadVersion: z.string(),
  pgvectorVersion: z.string().nullable(),
  /** Newest applied migration. */
  schemaVersion: z.string().nullable(),
  databaseBytes: z.int(),
  /** Rows of each table, counted in the snapshot of the dump. */
  rows: z.record(z.string(), z.int()),
  /** How many objects of each kind, content of the tables, and where sequences stood: see census.ts. */
  objects: z.record(z.string(), z.int()).optional(),
  sums: z.record(z.string(), z.string()).optional(),
  sequences: z
    .record(z.string(), z.object({ at: z.string(), step: z.string(), cycles: z.boolean() }))
    .optional(),
  /** Of the server that was dumped; one that a copy is restored into needs as much. */
  serverSettings: z.record(z.string(), z.string()).optional(),
  /** Where the write-ahead log stood when the snapshot was taken. */
  walPosition: z.string().nullable(),
  /** Number and HMAC of the newest entry of the audit log. */
  auditHead: z.record(z.string(), z.unknown()).nullable(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  durationMs: z.int(),
  /** What started it: the schedule or a person. */
  trigger: z.enum(["schedule", "now"]),
  seal: SealRecord.optional(),
});
export type Manifest = z.infer<typeof Manifest> & {
  /** What its seal says, once it has been read again. */
  standing?: SealState;
};

/** Undefined if the text is no manifest: cut off, tampered with, or something else altogether. */
export function parseManifest(text: string, seal: Seal): Manifest | undefined {
  try {
    const manifest = Manifest.parse(JSON.parse(text));
    return { ...manifest, standing: seal.standing(manifest) };
  } catch {
    return undefined;
  }
}

export function readManifest(file: string, seal: Seal): Manifest | undefined {
  try {
    return parseManifest(readFileSync(file, "utf8"), seal);
  } catch {
    return undefined;
  }
}

export const partsOf = (manifest: Manifest): Part[] =>
  [manifest.dump, manifest.globals, manifest.properties].filter((part) => part !== undefined);

/** Counts as a backup: finished, complete, not empty, and nobody has changed what it says of itself. */
export const isGood = ({ complete, dump, standing }: Manifest): boolean =>
  complete && dump.size > 0 && standing !== "broken";
