import { ExitCode, ExpectedError, mistake } from "../../error.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { isAhead } from "../format/clock.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { withBucket } from "./bucket-client.ts";
import { listBucketIds, readBucketManifest, sortNewestFirst } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";

export interface FoundBackup {
  manifest: Manifest;
  where: "local" | "bucket";
}

/** `latest` is the newest good backup. A local copy is preferred to the bucket's. */
export async function findBackup(
  settings: Settings,
  id: string,
  onlyBucket = false,
): Promise<FoundBackup> {
  const backups = backupSettings(settings);
  const local = onlyBucket ? [] : readLocalManifests(backups);
  const localManifest =
    id === "latest" ? findNewestGood(local) : local.find((manifest) => manifest.id === id);
  if (localManifest) return { manifest: localManifest, where: "local" };
  const inBucket = (backups.bucket || onlyBucket) && (await findInBucket(backups, id));
  if (inBucket) return { manifest: inBucket, where: "bucket" };
  if (id === "latest") {
    throw new ExpectedError(
      ExitCode.pending,
      `there is no backup yet; "pgstead backup now" takes one`,
    );
  }
  throw mistake(`there is no backup "${id}"; "pgstead backup list" shows all`);
}

async function findInBucket(backups: BackupSettings, id: string): Promise<Manifest | undefined> {
  return withBucket(backups, async (bucket) => {
    const ids = await listBucketIds(bucket, "dumps/");
    if (id !== "latest") {
      return ids.has(id) ? readBucketManifest(bucket, "dumps/", id) : undefined;
    }
    const manifests = await Promise.all(
      // Five manifests are enough to find a good one.
      sortNewestFirst(ids)
        .slice(0, 5)
        .map((candidate) => readBucketManifest(bucket, "dumps/", candidate)),
    );
    return findNewestGood(manifests.filter((manifest) => manifest !== undefined));
  });
}

/** A backup dated in the future is taken only if there is no other. */
function findNewestGood(sortNewestFirst: Manifest[]): Manifest | undefined {
  const good = sortNewestFirst.filter(isGood);
  return good.find(({ startedAt }) => !isAhead(startedAt)) ?? good[0];
}
