import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { type Readable, Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { mistake, unreachable } from "../../error.ts";
import { bytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { Settings } from "../../settings.ts";
import { stopSignal } from "../../stop.ts";
import { backupSettings } from "../backup-settings.ts";
import { withBucket } from "./bucket-client.ts";
import { findStoredName, listBucketFiles } from "./bucket-files.ts";
import { type Found, findBackup } from "./find-backup.ts";

export interface GetResult extends Found {
  /** The name of the file that was copied. */
  file: string;
  /** What was written can be read with the owner's key only. */
  encrypted: boolean;
}

/** Copies the dump of a backup from the folder or the bucket into `target`, and checks it. */
export async function getBackup(
  settings: Settings,
  id: string,
  target: Writable,
  note?: Note,
): Promise<GetResult> {
  const found = await findBackup(settings, id);
  const file = await nameOf(settings, found);
  await copy(settings, found, file, target, note);
  return { ...found, file, encrypted: file !== found.manifest.dump.file };
}

/** The dump's own, or in a bucket that nobody else shall read, that of the encrypted one. */
async function nameOf(settings: Settings, { manifest, where }: Found): Promise<string> {
  const { file } = manifest.dump;
  if (where === "local") return file;
  return withBucket(backupSettings(settings), async (bucket) =>
    findStoredName(await listBucketFiles(bucket, "dumps/"), file),
  );
}

async function copy(
  settings: Settings,
  { manifest, where }: Found,
  stored: string,
  target: Writable,
  note: Note | undefined,
): Promise<void> {
  const { dump } = manifest;
  const hash = createHash("sha256");
  let passed = 0;
  const sum = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      passed += chunk.length;
      done(null, chunk);
    },
  });
  const told = () => `${bytes(passed)} of ${bytes(dump.size)}`;
  await withSource(settings, where, stored, (source) =>
    withProgress(note, told, () =>
      pipeline(source, sum, target, { end: false, signal: stopSignal }).catch((error) => {
        stopSignal.throwIfAborted();
        throw mistake(`cannot copy ${dump.file}: ${(error as Error).message}`, error);
      }),
    ),
  );
  // age checks what it decrypts by itself.
  if (stored === dump.file && hash.digest("hex") !== dump.sha256) {
    throw unreachable(
      `the copy of ${dump.file} (${where}) differs from its manifest; it is damaged, take another`,
    );
  }
}

async function withSource<T>(
  settings: Settings,
  where: Found["where"],
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
