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
import { idsOf, listBucketFiles, readBucketManifest, readBucketProof } from "./bucket-files.ts";
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
  /** Places that have a copy. */
  copies: ("local" | "bucket")[];
  /** The bucket's copy is encrypted: only the owner's key opens it. */
  encrypted: boolean;
  /** Damage of the local copy. */
  problem: string | null;
  /** Result of the last verification, of the local copy if there is one. */
  proof: Proof | null;
  /** State of the manifest's seal. */
  standing: SealState;
  /** The proof in the bucket. Often it is the local proof, uploaded with the same bytes. */
  bucketProof: Proof | null;
}

export interface ListResult {
  folder: string;
  bucket: string | null;
  backups: ListedBackup[];
  /** Files in the folder that belong to no backup. */
  strays: string[];
  /** Why the bucket could not be read. Its copies are then not listed. */
  bucketError: string | null;
}

export async function listBackups(settings: Settings): Promise<ListResult> {
  const backups = backupSettings(settings);
  const local = readLocalManifests(backups);
  const { manifests, ids, proofs, encrypted, error } = await readBucket(backups, local);
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
        problem: localIds.has(manifest.id) ? findLocalProblem(backups.folder, manifest) : null,
        proof: readLocalProof(backups, manifest) ?? proofs.get(manifest.id) ?? null,
        standing: manifest.standing ?? "none",
        bucketProof: proofs.get(manifest.id) ?? null,
      })),
    strays: findStrays(backups.folder, local),
    bucketError: error,
  };
}

async function readBucket(backups: BackupSettings, local: Manifest[]) {
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
      const localIds = new Set(local.map(({ id }) => id));
      const bucketOnly = [...ids].filter((id) => !localIds.has(id));
      const manifests = await readEach(bucketOnly, (id) =>
        readBucketManifest(bucket, "dumps/", id),
      );
      const proofs = await readEach([...ids], (id) => readBucketProof(bucket, "dumps/", names, id));
      const isEncrypted = (id: string) =>
        [".dump", ".sql.gz"].some((ending) => names.has(encryptedName(id + ending)));
      const encrypted = new Set([...ids].filter(isEncrypted));
      return {
        ids,
        manifests,
        encrypted,
        proofs: new Map(proofs.map((proof) => [proof.id, proof])),
        error: null,
      };
    });
  } catch (error) {
    // The local copies are still listed: a person who needs a backup needs them now.
    if (error instanceof ExpectedError) return { ...nothing, error: error.message };
    throw error;
  }
}

const PARALLEL_READS = 8;

async function readEach<T>(
  ids: string[],
  read: (id: string) => Promise<T | undefined>,
): Promise<T[]> {
  const found: (T | undefined)[] = [];
  const queue = [...ids];
  const readNext = async () => {
    for (let id = queue.pop(); id; id = queue.pop()) found.push(await read(id));
  };
  await Promise.all(Array.from({ length: PARALLEL_READS }, readNext));
  return found.filter((item) => item !== undefined);
}

function findLocalProblem(folder: string, manifest: Manifest): string | null {
  for (const { file, size } of partsOf(manifest)) {
    const found = statSync(join(folder, file), { throwIfNoEntry: false })?.size;
    if (found === undefined) return `${file} is missing`;
    if (found !== size) return `${file} has ${found} bytes instead of ${size}`;
  }
  return null;
}

/** Files without a manifest: a dump was not finished, or a person put them there. */
function findStrays(folder: string, local: Manifest[]): string[] {
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
