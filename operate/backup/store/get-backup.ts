import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { type Readable, Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { cannotWrite, damaged } from "../../error.ts";
import { formatBytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { Settings } from "../../settings.ts";
import { stopSignal } from "../../stop.ts";
import { backupSettings } from "../backup-settings.ts";
import { withBucket } from "./bucket-client.ts";
import { findStoredName, listBucketFiles } from "./bucket-files.ts";
import { type FoundBackup, findBackup } from "./find-backup.ts";

export interface GetResult extends FoundBackup {
  /** The name of the file that was copied. */
  file: string;
  /** The written file is encrypted: only the owner's key opens it. */
  encrypted: boolean;
}

/** Copies the dump of a backup from the folder or the bucket into `target`, and checks its hash. */
export async function getBackup(
  settings: Settings,
  id: string,
  target: Writable,
  note?: Note,
): Promise<GetResult> {
  const found = await findBackup(settings, id);
  const file = await findStoredDump(settings, found);
  await copyDump(settings, found, file, target, note);
  return { ...found, file, encrypted: file !== found.manifest.dump.file };
}

/** Returns the name of the dump, or in the bucket that of its encrypted copy. */
async function findStoredDump(
  settings: Settings,
  { manifest, where }: FoundBackup,
): Promise<string> {
  const { file } = manifest.dump;
  if (where === "local") return file;
  return withBucket(backupSettings(settings), async (bucket) =>
    findStoredName(await listBucketFiles(bucket, "dumps/"), file),
  );
}

async function copyDump(
  settings: Settings,
  { manifest, where }: FoundBackup,
  stored: string,
  target: Writable,
  note: Note | undefined,
): Promise<void> {
  const { dump } = manifest;
  const hash = createHash("sha256");
  let copied = 0;
  const hashing = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      copied += chunk.length;
      done(null, chunk);
    },
  });
  const describe = () => `${formatBytes(copied)} of ${formatBytes(dump.size)}`;
  await withSource(settings, where, stored, (source) =>
    withProgress(note, describe, () =>
      pipeline(source, hashing, target, { end: false, signal: stopSignal }).catch((error) => {
        stopSignal.throwIfAborted();
        throw cannotWrite(`cannot copy ${dump.file}: ${(error as Error).message}`, error);
      }),
    ),
  );
  // The manifest has no hash of an encrypted copy; age checks it while decrypting.
  if (stored === dump.file && hash.digest("hex") !== dump.sha256) {
    throw damaged(
      `the copy of ${dump.file} (${where}) is damaged: its hash differs from the manifest; take another backup`,
    );
  }
}

async function withSource<T>(
  settings: Settings,
  where: FoundBackup["where"],
  file: string,
  use: (source: Readable) => Promise<T>,
): Promise<T> {
  const backups = backupSettings(settings);
  if (where === "local") return use(createReadStream(join(backups.folder, file)));
  return withBucket(backups, async (bucket) => {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const { Body } = await bucket.client.send(
      new GetObjectCommand({ Bucket: bucket.name, Key: bucket.key(`dumps/${file}`) }),
    );
    return use(Body as Readable);
  });
}
