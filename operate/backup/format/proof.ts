import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { writeDurably } from "../../durable-write.ts";
import { isAhead } from "./clock.ts";
import type { Manifest } from "./manifest.ts";
import { Seal, type Sealed, SealRecord } from "./seal.ts";

/**
 * What came of restoring a backup. `unverified`: it could not be tried, through no fault of the
 * backup; that is never a pass.
 */
export const Proof = z.looseObject({
  version: z.literal(1),
  id: z.string(),
  /** Of the dump that was restored: a proof holds for these bytes and no others. */
  sha256: z.string(),
  state: z.enum(["proven", "failed", "unverified"]),
  /** What did not fit, or why it could not be tried. */
  problems: z.array(z.string()),
  /** Which copy was read. */
  from: z.enum(["local", "bucket"]),
  verifiedAt: z.iso.datetime(),
  /** Measured: until the scratch server could be asked, and until all of it was compared. */
  restoreSeconds: z.number(),
  totalSeconds: z.number(),
  /** The newest moment that this backup brings back. */
  restorableTo: z.iso.datetime(),
  tables: z.int(),
  rows: z.int(),
  /** What was compared, in words. */
  compared: z.array(z.string()),
  pgsteadVersion: z.string(),
  seal: SealRecord.optional(),
});
export type Proof = z.infer<typeof Proof>;

/** No name of a manifest, so that nobody takes it for one. */
export const proofName = (id: string) => `${id}.proof`;

/** Undefined also if somebody changed it, or if another stack vouches for it: it is tried anew. */
export function parseProof(text: string, seal: Seal): Proof | undefined {
  try {
    const proof = Proof.parse(JSON.parse(text));
    return seal.standing(proof) === (seal.hasKey ? "sound" : "none") ? proof : undefined;
  } catch {
    return undefined;
  }
}

/** Of the local copy, if it still speaks of the same bytes. */
export function readLocalProof(backups: Sealed, { id, dump }: Manifest): Proof | undefined {
  try {
    const text = readFileSync(join(backups.folder, proofName(id)), "utf8");
    const proof = parseProof(text, new Seal(backups));
    return proof?.sha256 === dump.sha256 && proof.id === id ? proof : undefined;
  } catch {
    return undefined;
  }
}

/** One whose clock was ahead would count as fresh for as long: it does not count. */
export const isProven = (proof: Proof | undefined, now = new Date()): proof is Proof =>
  proof?.state === "proven" && !isAhead(proof.restorableTo, now);

export const serializeProof = (proof: Proof) => `${JSON.stringify(proof, null, 2)}\n`;

export function writeProof(folder: string, proof: Proof): void {
  writeDurably(join(folder, proofName(proof.id)), serializeProof(proof));
}

/** What one restore showed. */
export interface Outcome extends Pick<Proof, "problems" | "compared"> {
  restoreSeconds: number;
}
