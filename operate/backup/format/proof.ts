import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { writeDurably } from "../../durable-write.ts";
import { isAhead } from "./clock.ts";
import type { Manifest } from "./manifest.ts";
import { Seal, type SealedFolder, SealRecord } from "./seal.ts";

/**
 * Result of restoring a backup. `unverified`: the restore could not run, and the backup is not the
 * cause. That is never a pass.
 */
export const Proof = z.looseObject({
  version: z.literal(1),
  id: z.string(),
  /** SHA-256 of the restored dump. The proof holds for these bytes only. */
  sha256: z.string(),
  state: z.enum(["proven", "failed", "unverified"]),
  /** The differences that were found, or why the restore could not run. */
  problems: z.array(z.string()),
  /** The copy that was restored. */
  from: z.enum(["local", "bucket"]),
  verifiedAt: z.iso.datetime(),
  /** Duration of the restore, and of the whole verification. */
  restoreSeconds: z.number(),
  totalSeconds: z.number(),
  /** Start of the dump: a restore brings back the data of this time. */
  restorableTo: z.iso.datetime(),
  tables: z.int(),
  rows: z.int(),
  /** What was compared, as text for people. */
  compared: z.array(z.string()),
  pgsteadVersion: z.string(),
  seal: SealRecord.optional(),
});
export type Proof = z.infer<typeof Proof>;

/** It does not end in `.json`, so that it is not read as a manifest. */
export const proofName = (id: string) => `${id}.proof`;

/** Undefined if the proof is not valid, was changed, or is sealed by another stack. */
export function parseProof(text: string, seal: Seal): Proof | undefined {
  try {
    const proof = Proof.parse(JSON.parse(text));
    return seal.check(proof) === (seal.hasKey ? "sound" : "none") ? proof : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined without a proof of exactly these bytes. */
export function readLocalProof(backups: SealedFolder, { id, dump }: Manifest): Proof | undefined {
  try {
    const text = readFileSync(join(backups.folder, proofName(id)), "utf8");
    const proof = parseProof(text, new Seal(backups));
    return proof?.sha256 === dump.sha256 && proof.id === id ? proof : undefined;
  } catch {
    return undefined;
  }
}

/** A proof from a clock that was ahead does not count: it would look fresh until that date. */
export const isProven = (proof: Proof | undefined, now = new Date()): proof is Proof =>
  proof?.state === "proven" && !isAhead(proof.restorableTo, now);

export const serializeProof = (proof: Proof) => `${JSON.stringify(proof, null, 2)}\n`;

export function writeProof(folder: string, proof: Proof): void {
  writeDurably(join(folder, proofName(proof.id)), serializeProof(proof));
}

/** Result of one restore, without the facts about the backup itself. */
export interface RestoreResult extends Pick<Proof, "problems" | "compared"> {
  restoreSeconds: number;
}
