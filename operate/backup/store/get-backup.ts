import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Readable, Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { mistake, unreachable } from "../../error.ts";
import { bytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { withBucket } from "./bucket-client.ts";
import { findStoredName, listBucketFiles } from "./bucket-files.ts";
import { type Found, findBackup } from "./find-backup.ts";

export interface GetOptions {
  /** A file, or `-` for stdout; the backup's own name in the current folder if left out. */
  out?: string;
  note?: Note;
}

export interface GetResult extends Found {
  out: string;
  /** What was written can be read with the owner's key only. */
  encrypted: boolean;
}

/** Copies the dump of a backup out of the folder or the bucket, and checks it on the way. */
export async function getBackup(
  settings: Settings,
  id: string,
  { out, note }: GetOptions,
): Promise<GetResult> {
  const found = await findBackup(settings, id);
  const stored = await nameOf(settings, found);
  const encrypted = stored !== found.manifest.dump.file;
  const target = out ?? stored;
  if (target === "-") {
    await copy(settings, found, stored, process.stdout, note);
  } else {
    const partial = `${target}.partial`;
    try {
      await copy(settings, found, stored, createWriteStream(partial, { mode: 0o600 }), note);
      renameSync(partial, target);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
  }
  return { ...found, out: target, encrypted };
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
      pipeline(source, sum, target, { end: target !== process.stdout }).catch((error) => {
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
