import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import * as z from "zod";
import { mistake } from "../../error.ts";
import type { BackupSettings } from "../../settings.ts";

/** An HMAC under a key that lies with the stack's secrets, not with the backups (S13). */
export const SealRecord = z.object({
  /** Which key, without telling it. */
  key: z.string(),
  mac: z.string(),
});

/**
 * `sound`: as this stack wrote it. `broken`: changed since. `foreign`: sealed with another key, as after
 * the stack's state was lost. `none`: no seal, or this stack has no key.
 */
export type SealState = "sound" | "broken" | "foreign" | "none";

type Sealable = Record<string, unknown> & { seal?: z.infer<typeof SealRecord> | undefined };

/** Where manifests lie, and the key that their seals are checked with. */
export type Sealed = Pick<BackupSettings, "folder" | "sealKeyFile">;

export class Seal {
  private readonly key: string | undefined;

  constructor({ sealKeyFile }: Pick<BackupSettings, "sealKeyFile">) {
    this.key = sealKeyFile && readKey(sealKeyFile);
  }

  get hasKey(): boolean {
    return this.key !== undefined;
  }

  put<T extends Sealable>(record: T): T {
    return this.key
      ? { ...record, seal: { key: nameOf(this.key), mac: mac(this.key, record) } }
      : record;
  }

  standing(record: Sealable): SealState {
    if (!this.key || !record.seal) return "none";
    if (record.seal.key !== nameOf(this.key)) return "foreign";
    const [told, right] = [record.seal.mac, mac(this.key, record)].map((text) => Buffer.from(text));
    return told!.length === right!.length && timingSafeEqual(told!, right!) ? "sound" : "broken";
  }
}

function readKey(file: string): string {
  try {
    const key = readFileSync(file, "utf8").trim();
    if (key.length >= 16) return key;
  } catch (error) {
    throw mistake(`cannot read the key of the backups' seals: ${(error as Error).message}`, error);
  }
  throw mistake(`the key in ${file} is too short; "pgstead up" writes it anew`);
}

const nameOf = (key: string) =>
  createHash("sha256").update(`name ${key}`).digest("hex").slice(0, 8);

function mac(key: string, { seal: _, standing: __, ...record }: Sealable): string {
  return createHmac("sha256", key).update(canonical(record)).digest("hex");
}

/** The same text for the same content, whatever wrote it in whatever order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${sorted.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join()}}`;
}
