import { ExpectedError } from "../error.ts";
import type { BackupSettings } from "../settings.ts";
import { withBucket } from "./bucket.ts";
import { bucketIds } from "./bucket-list.ts";
import { localManifests } from "./folder.ts";
import { keepNewest } from "./keep.ts";
import { isGood } from "./manifest.ts";
import { type UploadOptions, uploadBackup } from "./upload.ts";

export interface Uploaded {
  uploaded: string[];
  error: string | null;
}

/**
 * Brings every good local backup that the bucket lacks there, newest first: what failed yesterday is
 * made up today. A failure is told, not thrown, for the dump itself stands.
 */
export async function uploadMissing(
  { bucket: settings, folder }: BackupSettings,
  options: UploadOptions,
): Promise<Uploaded> {
  if (!settings) return { uploaded: [], error: null };
  const uploaded: string[] = [];
  try {
    await withBucket(settings, async (bucket) => {
      const there = await bucketIds(bucket, "dumps/");
      const good = localManifests(folder).filter(isGood);
      for (const manifest of good.filter(({ id }) => !there.has(id))) {
        await uploadBackup(bucket, folder, manifest, options);
        uploaded.push(manifest.id);
      }
      if (good[0]) await keepNewest(bucket, good[0]);
    });
    return { uploaded, error: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ExpectedError) return { uploaded, error: error.message };
    throw error;
  }
}
