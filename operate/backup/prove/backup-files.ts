import { createWriteStream, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { damaged, ExpectedError } from "../../error.ts";
import { formatBytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import { assertScratchSpace } from "../../scratch/scratch-space.ts";
import type { BackupSettings } from "../../settings.ts";
import { CannotVerify } from "../format/cannot-verify.ts";
import { type Part, partsOf } from "../format/manifest.ts";
import { measurePart } from "../format/measure-part.ts";
import { withBucket } from "../store/bucket-client.ts";
import { findStoredName, listBucketFiles } from "../store/bucket-files.ts";
import type { FoundBackup } from "../store/find-backup.ts";

interface DownloadOptions {
  note?: Note;
  signal?: AbortSignal;
}

/**
 * Gives `use` a folder with the backup's files, after a check of their hashes. Files of a bucket's copy
 * are downloaded first.
 */
export async function withBackupFiles<T>(
  backups: BackupSettings,
  { manifest, where }: FoundBackup,
  scratchFolder: string,
  options: DownloadOptions,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const parts = partsOf(manifest);
  if (where === "local") {
    await assertIntact(backups.folder, parts);
    return use(backups.folder);
  }
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  assertScratchSpace(backups.folder, manifest.databaseBytes + size, backups.reserveMegabytes * 1e6);
  const folder = join(scratchFolder, "fetched");
  mkdirSync(folder);
  await downloadParts(backups, parts, folder, options);
  await assertIntact(folder, parts);
  return use(folder);
}

async function assertIntact(folder: string, parts: Part[]): Promise<void> {
  for (const { file, size, sha256 } of parts) {
    const found = statSync(join(folder, file), { throwIfNoEntry: false })?.size;
    if (found === undefined) throw damaged(`${file} is missing`);
    const hash = found === size && (await measurePart(join(folder, file), file)).sha256;
    if (hash !== sha256) throw damaged(`${file} is damaged: it differs from its manifest`);
  }
}

const ENCRYPTED =
  "the bucket's copy is encrypted, and the agent does not have the key; only the copy on the volume can be verified";

async function downloadParts(
  backups: BackupSettings,
  parts: Part[],
  folder: string,
  { note, signal }: DownloadOptions,
): Promise<void> {
  try {
    await withBucket(backups, async (bucket) => {
      const { GetObjectCommand } = await import("@aws-sdk/client-s3");
      const names = await listBucketFiles(bucket, "dumps/");
      for (const { file, size } of parts) {
        if (findStoredName(names, file) !== file) throw new CannotVerify(ENCRYPTED);
        const path = join(folder, file);
        const Key = bucket.key(`dumps/${file}`);
        const describe = () =>
          `downloading ${file}: ${formatBytes(statSync(path, { throwIfNoEntry: false })?.size ?? 0)} of ${formatBytes(size)}`;
        await withProgress(note, describe, async () => {
          const { Body } = await bucket.client.send(
            new GetObjectCommand({ Bucket: bucket.name, Key }),
          );
          const target = createWriteStream(path, { mode: 0o600 });
          await pipeline(Body as Readable, target, signal ? { signal } : {});
        });
      }
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ExpectedError) throw new CannotVerify(error.message);
    throw error;
  }
}
