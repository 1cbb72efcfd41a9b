import { ExitCode, ExpectedError, mistake } from "../error.ts";
import type { Settings } from "../settings.ts";
import { withBucket } from "./bucket.ts";
import { bucketIds, bucketManifest } from "./bucket-list.ts";
import { localManifests } from "./folder.ts";
import { isGood, type Manifest } from "./manifest.ts";
import { backupSettings } from "./settings.ts";

export interface Found {
  manifest: Manifest;
  where: "local" | "bucket";
}

/** `latest` is the newest good one; the local copy is preferred, since it is nearer. */
export async function findBackup(settings: Settings, id: string): Promise<Found> {
  const backups = backupSettings(settings);
  const local = localManifests(backups.folder);
  const here = id === "latest" ? local.find(isGood) : local.find((one) => one.id === id);
  if (here) return { manifest: here, where: "local" };
  const there = backups.bucket && (await findInBucket(backups.bucket, id));
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
  settings: NonNullable<Settings["backups"]>["bucket"] & object,
  wanted: string,
): Promise<Manifest | undefined> {
  return withBucket(settings, async (bucket) => {
    const ids = await bucketIds(bucket, "dumps/");
    if (wanted !== "latest") {
      return ids.has(wanted) ? bucketManifest(bucket, "dumps/", wanted) : undefined;
    }
    const manifests = await Promise.all(
      // Ids end in their time; the newest few are enough to find a good one among them.
      [...ids]
        .sort((a, b) => stamp(b).localeCompare(stamp(a)))
        .slice(0, 5)
        .map((id) => bucketManifest(bucket, "dumps/", id)),
    );
    return manifests.find((manifest) => manifest && isGood(manifest));
  });
}

const stamp = (id: string) => /\d{8}T\d{6}Z(-\d+)?$/.exec(id)?.[0] ?? "";
