import { ExpectedError } from "../../error.ts";
import type { BackupSettings } from "../../settings.ts";
import { isAhead } from "../format/clock.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { isProven, proofName, readLocalProof, serializeProof } from "../format/proof.ts";
import { type Bucket, withBucket } from "./bucket-client.ts";
import { idsOf, listBucketFiles, readBucketProof } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";
import { copyToKeepSlot } from "./keep-slots.ts";
import { type UploadOptions, uploadBackup, uploadJson } from "./upload-backup.ts";

export interface BucketUpdate {
  /** Ids of the backups that were uploaded. */
  uploaded: string[];
  error: string | null;
}

const DAY_MS = 24 * 3600_000;

/**
 * Uploads the good local backups of the last `keepDays` that the bucket lacks, newest first, and their
 * new proofs. Then it renews `keep/`. A failure is returned, not thrown: the local backup is still good.
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
      const present = idsOf(names);
      const good = readLocalManifests(backups).filter(isGood);
      for (const manifest of dropExpired(good, backups)) {
        if (!present.has(manifest.id)) {
          await uploadBackup(bucket, backups, manifest, options);
          present.add(manifest.id);
          uploaded.push(manifest.id);
        }
        await uploadNewProof(bucket, backups, manifest, names);
      }
      const inBucket = good.filter(({ id }) => present.has(id));
      await renewKeepSlot(bucket, backups, inBucket, names);
    });
    return { uploaded, error: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ExpectedError) return { uploaded, error: error.message };
    throw error;
  }
}

/**
 * The newest backup, and those of the last `keepDays`. Older local copies were in the bucket until its
 * lifecycle removed them, and must not return each night.
 */
function dropExpired(newestFirst: Manifest[], { keepDays }: BackupSettings): Manifest[] {
  const oldest = new Date(Date.now() - keepDays * DAY_MS).toISOString();
  return newestFirst.filter(({ startedAt }, index) => index === 0 || startedAt >= oldest);
}

/**
 * The local proof holds for the bucket's copy too: both have the same bytes. A changed proof is uploaded
 * again, so that a backup that failed does not look proven there. A proof of the bucket's own copy is
 * not overwritten.
 */
async function uploadNewProof(
  bucket: Bucket,
  backups: BackupSettings,
  manifest: Manifest,
  names: Set<string>,
): Promise<void> {
  const proof = readLocalProof(backups, manifest);
  if (!proof) return;
  const known = await readBucketProof(bucket, "dumps/", names, manifest.id);
  if (known?.from !== "bucket" && known?.verifiedAt !== proof.verifiedAt) {
    await uploadJson(bucket, `dumps/${proofName(manifest.id)}`, serializeProof(proof));
    names.add(proofName(manifest.id));
  }
}

async function renewKeepSlot(
  bucket: Bucket,
  backups: BackupSettings,
  newestFirst: Manifest[],
  names: Set<string>,
): Promise<void> {
  const proven = newestFirst.find((manifest) => isProven(readLocalProof(backups, manifest)));
  // An older backup may have been proven later than in its first days.
  if (proven) await uploadNewProof(bucket, backups, proven, names);
  const newest = proven ?? newestFirst.find(({ startedAt }) => !isAhead(startedAt));
  if (newest) await copyToKeepSlot(bucket, newest, proven !== undefined);
}
