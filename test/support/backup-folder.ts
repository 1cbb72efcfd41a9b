import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Manifest } from "../../operate/backup/format/manifest.ts";
import { type Proof, writeProof } from "../../operate/backup/format/proof.ts";

export const DAY_MS = 24 * 3600_000;

/** A backup as it lies in the folder: taken some days ago, or by a clock that was ahead. */
export interface WrittenBackup {
  daysAgo: number;
  complete?: boolean;
  /** @default none */
  proof?: Proof["state"] | "none";
  /** The proof is dated a day ahead. */
  isProofAhead?: boolean;
  /** The proof is of a dump with other bytes. */
  isOfOtherBytes?: boolean;
}

/** Gives `use` a new folder and removes it afterwards. */
export async function withBackupFolder<T>(use: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-folder-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes dump, manifest and proof of a backup. Its id ends with the time, as those of real ones do. */
export function writeBackup(folder: string, backup: WrittenBackup, index = 0): Manifest {
  const { daysAgo, complete = true } = backup;
  const startedAt = new Date(Date.now() - daysAgo * DAY_MS - index * 1000).toISOString();
  const id = `app-${startedAt.replace(/[-:]/g, "").replace(/\.\d+/, "")}`;
  const content = `dump of ${id}`;
  const sha256 = createHash("sha256").update(content).digest("hex");
  const manifest: Manifest = {
    ...{ version: 1, id, stack: "t", database: "app", format: "custom", complete, warnings: [] },
    ...{ dump: { file: `${id}.dump`, size: content.length, sha256 }, databaseBytes: 10, rows: {} },
    ...{ serverVersion: "18.6", dumpVersion: "18.6", pgsteadVersion: "1", pgvectorVersion: null },
    ...{ schemaVersion: null, walPosition: null, auditHead: null, durationMs: 1, trigger: "now" },
    ...{ startedAt, finishedAt: startedAt },
  };
  writeFileSync(join(folder, manifest.dump.file), content);
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(manifest));
  if (backup.proof && backup.proof !== "none") writeProofOf(folder, manifest, backup);
  return manifest;
}

export function writeProofOf(
  folder: string,
  { id, dump, startedAt }: Manifest,
  { proof = "proven", isProofAhead, isOfOtherBytes }: Partial<WrittenBackup> = {},
): void {
  const restorableTo = isProofAhead ? new Date(Date.now() + DAY_MS).toISOString() : startedAt;
  const sha256 = isOfOtherBytes ? "0".repeat(64) : dump.sha256;
  writeProof(folder, {
    ...{ version: 1, id, sha256, state: proof as Proof["state"], problems: [], from: "local" },
    ...{ compared: [], verifiedAt: startedAt, restorableTo, restoreSeconds: 1, totalSeconds: 1 },
    ...{ tables: 1, rows: 1, pgsteadVersion: "1" },
  });
}
