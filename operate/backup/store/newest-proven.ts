import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { isGood } from "../format/manifest.ts";
import { isProven, type Proof, readLocalProof } from "../format/proof.ts";
import { type Bucket, withBucket } from "./bucket-client.ts";
import { idsOf, listBucketFiles, readBucketProof, sortNewestFirst } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";

export interface ProvenBackup {
  id: string;
  /** A restore brings back the data of this time. */
  takenAt: string;
  provenAt: string;
}

/** The newest proven backup on the volume or, if there is none, in the bucket. */
export async function findNewestProven(settings: Settings): Promise<ProvenBackup | undefined> {
  const backups = backupSettings(settings);
  const local = findNewestLocalProof(backups);
  if (local) return toProvenBackup(local);
  return backups.bucket && withBucket(backups, findNewestInBucket);
}

async function findNewestInBucket(bucket: Bucket): Promise<ProvenBackup | undefined> {
  const names = await listBucketFiles(bucket, "dumps/");
  for (const id of sortNewestFirst(idsOf(names))) {
    const proof = await readBucketProof(bucket, "dumps/", names, id);
    if (isProven(proof)) return toProvenBackup(proof);
  }
  return undefined;
}

function findNewestLocalProof(backups: BackupSettings): Proof | undefined {
  for (const manifest of readLocalManifests(backups).filter(isGood)) {
    const proof = readLocalProof(backups, manifest);
    if (isProven(proof)) return proof;
  }
  return undefined;
}

const toProvenBackup = ({ id, restorableTo, verifiedAt }: Proof): ProvenBackup => ({
  id,
  takenAt: restorableTo,
  provenAt: verifiedAt,
});
