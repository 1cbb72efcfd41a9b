import { readFileSync } from "node:fs";
import * as z from "zod";
import { type Seal, SealRecord, type SealState } from "./seal.ts";

/** A file of the backup. It has the same name in the backup folder and under `dumps/` in the bucket. */
const Part = z.strictObject({
  file: z.string(),
  size: z.int(),
  sha256: z.string().length(64),
});
export type Part = z.infer<typeof Part>;

/**
 * Describes a backup. It is written last: files without a manifest are not a backup. Unknown keys are
 * allowed, because a newer version of pgstead may have written the manifest.
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
  /** SQL that creates the database with its locale, `ALTER DATABASE ... SET` and CONNECT grants. */
  properties: Part.optional(),
  /** False if pg_dump warned that it left something out: such a backup does not count. */
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
  /** Number of objects of each kind, hashes of the tables, values of sequences: see census.ts. */
  objects: z.record(z.string(), z.int()).optional(),
  sums: z.record(z.string(), z.string()).optional(),
  sequences: z
    .record(z.string(), z.object({ at: z.string(), step: z.string(), cycles: z.boolean() }))
    .optional(),
  /** Of the dumped server. A scratch server needs values at least as high. */
  serverSettings: z.record(z.string(), z.string()).optional(),
  /** Position of the write-ahead log when the snapshot was taken. */
  walPosition: z.string().nullable(),
  /** Number and HMAC of the newest entry of the audit log. */
  auditHead: z.record(z.string(), z.unknown()).nullable(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  durationMs: z.int(),
  /** Started by the schedule or by a person (`now`). */
  trigger: z.enum(["schedule", "now"]),
  seal: SealRecord.optional(),
});
export type Manifest = z.infer<typeof Manifest> & {
  /** State of the seal. Set when the manifest is read; not in the file. */
  standing?: SealState;
};

/** Undefined if the text is not a valid manifest. */
export function parseManifest(text: string, seal: Seal): Manifest | undefined {
  try {
    const manifest = Manifest.parse(JSON.parse(text));
    return { ...manifest, standing: seal.check(manifest) };
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

/** True if it counts as a backup: complete, not empty, and the manifest was not changed. */
export const isGood = ({ complete, dump, standing }: Manifest): boolean =>
  complete && dump.size > 0 && standing !== "broken";
