import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ExpectedError } from "../../error.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { encryptedName } from "../format/encrypt.ts";
import { isGood, type Manifest, partsOf } from "../format/manifest.ts";
import { type Proof, proofName, readLocalProof } from "../format/proof.ts";
import type { SealState } from "../format/seal.ts";
import { withBucket } from "./bucket-client.ts";
import { bucketProof, idsOf, listBucketFiles, readBucketManifest } from "./bucket-files.ts";
import { readLocalManifests } from "./folder.ts";

export interface ListedBackup {
  id: string;
  database: string;
  format: Manifest["format"];
  startedAt: string;
  size: number;
  schemaVersion: string | null;
  tables: number;
  good: boolean;
  /** Where copies lie. */
  copies: ("local" | "bucket")[];
  /** The bucket's copy can be read with its owner's key only. */
  encrypted: boolean;
  /** What is wrong with the local copy. */
  problem: string | null;
  /** What came of restoring it; null until it was tried. */
  proof: Proof | null;
  /** Whether its manifest is as it was written. */
  standing: SealState;
  /** The same of the bucket's copy; often it is the local one's, whose bytes were uploaded. */
  bucketProof: Proof | null;
}

export interface ListResult {
  folder: string;
  bucket: string | null;
  backups: ListedBackup[];
  /** Files in the folder that belong to no backup. */
  strays: string[];
  /** Why the bucket could not be asked; its copies are then not shown. */
  bucketError: string | null;
}

export async function listBackups(settings: Settings): Promise<ListResult> {
  const backups = backupSettings(settings);
  const local = readLocalManifests(backups);
  const { manifests, ids, proofs, encrypted, error } = await inBucket(backups, local);
  const known = new Map([...manifests, ...local].map((manifest) => [manifest.id, manifest]));
  const localIds = new Set(local.map(({ id }) => id));
  return {
    folder: backups.folder,
    bucket: backups.bucket?.name ?? null,
    backups: [...known.values()]
      .sort((a, b) => b.startedAt.localeCompare(a.startedAt))
      .map((manifest) => ({
        id: manifest.id,
        database: manifest.database,
        format: manifest.format,
        startedAt: manifest.startedAt,
        size: manifest.dump.size,
        schemaVersion: manifest.schemaVersion,
        tables: Object.keys(manifest.rows).length,
        good: isGood(manifest),
        copies: [
          ...(localIds.has(manifest.id) ? (["local"] as const) : []),
          ...(ids.has(manifest.id) ? (["bucket"] as const) : []),
        ],
        encrypted: encrypted.has(manifest.id),
        problem: localIds.has(manifest.id) ? localProblem(backups.folder, manifest) : null,
        proof: readLocalProof(backups, manifest) ?? proofs.get(manifest.id) ?? null,
        standing: manifest.standing ?? "none",
        bucketProof: proofs.get(manifest.id) ?? null,
      })),
    strays: strays(backups.folder, local),
    bucketError: error,
  };
}

async function inBucket(backups: BackupSettings, local: Manifest[]) {
  const nothing = {
    manifests: [] as Manifest[],
    ids: new Set<string>(),
    proofs: new Map<string, Proof>(),
    encrypted: new Set<string>(),
  };
  if (!backups.bucket) return { ...nothing, error: null };
  try {
    return await withBucket(backups, async (bucket) => {
      const names = await listBucketFiles(bucket, "dumps/");
      const ids = idsOf(names);
      const have = new Set(local.map(({ id }) => id));
      const wanted = [...ids].filter((id) => !have.has(id));
      const manifests = await eachOf(wanted, (id) => readBucketManifest(bucket, "dumps/", id));
      const proofs = await eachOf([...ids], (id) => bucketProof(bucket, "dumps/", names, id));
      const isEncrypted = (id: string) =>
        [".dump", ".sql.gz"].some((ending) => names.has(encryptedName(id + ending)));
      const encrypted = new Set([...ids].filter(isEncrypted));
      return {
        ids,
        manifests,
        encrypted,
        proofs: new Map(proofs.map((one) => [one.id, one])),
        error: null,
      };
    });
  } catch (error) {
    // The local copies can be listed, and one who looks for a backup needs them now.
    if (error instanceof ExpectedError) return { ...nothing, error: error.message };
    throw error;
  }
}

const AT_ONCE = 8;

async function eachOf<T>(
  ids: string[],
  read: (id: string) => Promise<T | undefined>,
): Promise<T[]> {
  const found: (T | undefined)[] = [];
  const queue = [...ids];
  const take = async () => {
    for (let id = queue.pop(); id; id = queue.pop()) found.push(await read(id));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  return found.filter((one) => one !== undefined);
}

function localProblem(folder: string, manifest: Manifest): string | null {
  for (const { file, size } of partsOf(manifest)) {
    const found = statSync(join(folder, file), { throwIfNoEntry: false })?.size;
    if (found === undefined) return `${file} is missing`;
    if (found !== size) return `${file} has ${found} bytes instead of ${size}`;
  }
  return null;
}

/** A dump without a manifest was never finished, or somebody put it there. */
function strays(folder: string, local: Manifest[]): string[] {
  if (!existsSync(folder)) return [];
  const known = new Set(
    local.flatMap((manifest) => [
      `${manifest.id}.json`,
      proofName(manifest.id),
      ...partsOf(manifest).map(({ file }) => file),
    ]),
  );
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !known.has(entry.name))
    .map(({ name }) => name);
}
