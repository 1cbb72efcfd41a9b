import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { isGood } from "../format/manifest.ts";
import { isProven, type Proof, readLocalProof } from "../format/proof.ts";
import { type Bucket, withBucket } from "./bucket-client.ts";
import { bucketProof, idsOf, listBucketFiles, newestFirst } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";

export interface Proven {
  id: string;
  /** The moment that it brings back. */
  takenAt: string;
  provenAt: string;
}

/** The newest backup that has been restored and found right, on the volume or in the bucket. */
export async function findNewestProven(settings: Settings): Promise<Proven | undefined> {
  const backups = backupSettings(settings);
  const local = newestLocalProof(backups);
  if (local) return provenOf(local);
  return backups.bucket && withBucket(backups, newestInBucket);
}

async function newestInBucket(bucket: Bucket): Promise<Proven | undefined> {
  const names = await listBucketFiles(bucket, "dumps/");
  for (const id of newestFirst(idsOf(names))) {
    const proof = await bucketProof(bucket, "dumps/", names, id);
    if (isProven(proof)) return provenOf(proof);
  }
  return undefined;
}

function newestLocalProof(backups: BackupSettings): Proof | undefined {
  for (const manifest of readLocalManifests(backups).filter(isGood)) {
    const proof = readLocalProof(backups, manifest);
    if (isProven(proof)) return proof;
  }
  return undefined;
}

const provenOf = ({ id, restorableTo, verifiedAt }: Proof): Proven => ({
  id,
  takenAt: restorableTo,
  provenAt: verifiedAt,
});
