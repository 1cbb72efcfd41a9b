import { ExitCode, ExpectedError, mistake } from "../../error.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { isAhead } from "../format/clock.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { withBucket } from "./bucket-client.ts";
import { listBucketIds, newestFirst, readBucketManifest } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";

export interface Found {
  manifest: Manifest;
  where: "local" | "bucket";
}

/** `latest` is the newest good one; the local copy is preferred, since it is nearer. */
export async function findBackup(
  settings: Settings,
  id: string,
  onlyBucket = false,
): Promise<Found> {
  const backups = backupSettings(settings);
  const local = onlyBucket ? [] : readLocalManifests(backups);
  const here = id === "latest" ? newestGood(local) : local.find((one) => one.id === id);
  if (here) return { manifest: here, where: "local" };
  const there = (backups.bucket || onlyBucket) && (await findInBucket(backups, id));
  if (there) return { manifest: there, where: "bucket" };
  if (id === "latest") {
    throw new ExpectedError(
      ExitCode.pending,
      `there is no backup yet; "pgstead backup now" makes one`,
    );
  }
  throw mistake(`there is no backup "${id}"; "pgstead backup list" shows what there is`);
}

async function findInBucket(
  backups: BackupSettings,
  wanted: string,
): Promise<Manifest | undefined> {
  return withBucket(backups, async (bucket) => {
    const ids = await listBucketIds(bucket, "dumps/");
    if (wanted !== "latest") {
      return ids.has(wanted) ? readBucketManifest(bucket, "dumps/", wanted) : undefined;
    }
    const manifests = await Promise.all(
      // The newest few are enough to find a good one among them.
      newestFirst(ids)
        .slice(0, 5)
        .map((id) => readBucketManifest(bucket, "dumps/", id)),
    );
    return newestGood(manifests.filter((manifest) => manifest !== undefined));
  });
}

/** One from a clock that was ahead is taken only if there is nothing else. */
function newestGood(newestFirst: Manifest[]): Manifest | undefined {
  const good = newestFirst.filter(isGood);
  return good.find(({ startedAt }) => !isAhead(startedAt)) ?? good[0];
}
