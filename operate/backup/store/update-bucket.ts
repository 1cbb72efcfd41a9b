import { ExpectedError } from "../../error.ts";
import type { BackupSettings } from "../../settings.ts";
import { isAhead } from "../format/clock.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { isProven, proofName, readLocalProof, serializeProof } from "../format/proof.ts";
import { type Bucket, withBucket } from "./bucket-client.ts";
import { bucketProof, idsOf, listBucketFiles } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";
import { copyToKeepSlot } from "./keep-slots.ts";
import { type UploadOptions, uploadBackup, uploadJson } from "./upload-backup.ts";

export interface BucketUpdate {
  uploaded: string[];
  error: string | null;
}

const DAY_MS = 24 * 3600_000;

/**
 * Brings every good local backup of the last `keepDays` that the bucket lacks there, newest first: what failed yesterday is
 * made up today. A failure is told, not thrown, for the dump itself stands.
 */
export async function updateBucket(
  backups: BackupSettings,
  options: UploadOptions,
): Promise<BucketUpdate> {
  if (!backups.bucket) return { uploaded: [], error: null };
  const uploaded: string[] = [];
  try {
    await withBucket(backups, async (bucket) => {
      const names = await listBucketFiles(bucket, "dumps/");
      const there = idsOf(names);
      const good = readLocalManifests(backups).filter(isGood);
      const young = new Date(Date.now() - backups.keepDays * DAY_MS).toISOString();
      for (const manifest of good) {
        // What is kept longer here has been there and was expired; it need not come back each night.
        const isDue = manifest.startedAt >= young || manifest === good[0];
        if (isDue && !there.has(manifest.id)) {
          await uploadBackup(bucket, backups, manifest, options);
          uploaded.push(manifest.id);
        }
        if (isDue) await uploadProof(bucket, backups, manifest, names);
      }
      const left = new Set([...there, ...uploaded]);
      await keep(
        bucket,
        backups,
        good.filter(({ id }) => left.has(id)),
      );
    });
    return { uploaded, error: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ExpectedError) return { uploaded, error: error.message };
    throw error;
  }
}

/**
 * What was uploaded are the very bytes that were proven. A proof that changed since goes again: a copy
 * that failed must not look proven over there. One of the bucket's own copy is left alone.
 */
async function uploadProof(
  bucket: Bucket,
  backups: BackupSettings,
  manifest: Manifest,
  there: Set<string>,
): Promise<void> {
  const proof = readLocalProof(backups, manifest);
  if (!proof) return;
  const known = await bucketProof(bucket, "dumps/", there, manifest.id);
  if (known?.from !== "bucket" && known?.verifiedAt !== proof.verifiedAt) {
    await uploadJson(bucket, `dumps/${proofName(manifest.id)}`, serializeProof(proof));
  }
}

async function keep(
  bucket: Bucket,
  backups: BackupSettings,
  newestFirst: Manifest[],
): Promise<void> {
  const proven = newestFirst.find((one) => isProven(readLocalProof(backups, one)));
  const kept = proven ?? newestFirst.find(({ startedAt }) => !isAhead(startedAt));
  if (kept) await copyToKeepSlot(bucket, kept, proven !== undefined);
}
