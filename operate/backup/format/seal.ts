import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import * as z from "zod";
import { mistake } from "../../error.ts";
import type { BackupSettings } from "../../settings.ts";

/** An HMAC. Its key is one of the stack's secrets and is not stored with the backups (S13). */
export const SealRecord = z.object({
  /** Fingerprint of the key. */
  key: z.string(),
  mac: z.string(),
});

/**
 * `sound`: unchanged since this stack wrote it. `broken`: changed. `foreign`: sealed with another key,
 * as after the loss of the stack's state. `none`: no seal, or this stack has no key.
 */
export type SealState = "sound" | "broken" | "foreign" | "none";

type Sealable = Record<string, unknown> & { seal?: z.infer<typeof SealRecord> | undefined };

/** A folder with manifests, and the key of their seals. */
export type SealedFolder = Pick<BackupSettings, "folder" | "sealKeyFile">;

export class Seal {
  private readonly key: string | undefined;

  constructor({ sealKeyFile }: Pick<BackupSettings, "sealKeyFile">) {
    this.key = sealKeyFile && readKey(sealKeyFile);
  }

  get hasKey(): boolean {
    return this.key !== undefined;
  }

  /** Returns the record with a seal, or unchanged if this stack has no key. */
  sign<T extends Sealable>(record: T): T {
    return this.key
      ? { ...record, seal: { key: fingerprint(this.key), mac: computeMac(this.key, record) } }
      : record;
  }

  check(record: Sealable): SealState {
    if (!this.key || !record.seal) return "none";
    if (record.seal.key !== fingerprint(this.key)) return "foreign";
    const found = Buffer.from(record.seal.mac);
    const expected = Buffer.from(computeMac(this.key, record));
    const isEqual = found.length === expected.length && timingSafeEqual(found, expected);
    return isEqual ? "sound" : "broken";
  }
}

function readKey(file: string): string {
  try {
    const key = readFileSync(file, "utf8").trim();
    if (key.length >= 16) return key;
  } catch (error) {
    throw mistake(`cannot read the seal key ${file}: ${(error as Error).message}`, error);
  }
  throw mistake(`the seal key in ${file} is too short; "pgstead up" writes a new one`);
}

const fingerprint = (key: string) =>
  createHash("sha256").update(`name ${key}`).digest("hex").slice(0, 8);

function computeMac(key: string, { seal: _, standing: __, ...record }: Sealable): string {
  return createHmac("sha256", key).update(canonicalize(record)).digest("hex");
}

/** JSON with sorted keys: the same text for the same content, whatever the order of the keys. */
function canonicalize(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalize).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, inner]) => `${JSON.stringify(name)}:${canonicalize(inner)}`).join()}}`;
}
