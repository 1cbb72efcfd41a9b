import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ExpectedError } from "../error.ts";
import type { BackupSettings, Settings } from "../settings.ts";
import { type Bucket, withBucket } from "./bucket.ts";
import { bucketIds, bucketManifest } from "./bucket-list.ts";
import { localManifests } from "./folder.ts";
import { isGood, type Manifest, partsOf } from "./manifest.ts";
import { backupSettings } from "./settings.ts";

export interface Listed {
  id: string;
  database: string;
  format: Manifest["format"];
  startedAt: string;
  size: number;
  schemaVersion: string | null;
  good: boolean;
  /** Where copies lie. */
  copies: ("local" | "bucket")[];
  /** What is wrong with the local copy. */
  problem: string | null;
}

export interface ListResult {
  folder: string;
  bucket: string | null;
  backups: Listed[];
  /** Files in the folder that belong to no backup. */
  strays: string[];
  /** Why the bucket could not be asked; its copies are then not shown. */
  bucketError: string | null;
}

export async function listBackups(settings: Settings): Promise<ListResult> {
  const backups = backupSettings(settings);
  const local = localManifests(backups.folder);
  const { manifests, ids, error } = await inBucket(backups, local);
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
        good: isGood(manifest),
        copies: [
          ...(localIds.has(manifest.id) ? (["local"] as const) : []),
          ...(ids.has(manifest.id) ? (["bucket"] as const) : []),
        ],
        problem: localIds.has(manifest.id) ? localProblem(backups.folder, manifest) : null,
      })),
    strays: strays(backups.folder, local),
    bucketError: error,
  };
}

async function inBucket({ bucket: settings }: BackupSettings, local: Manifest[]) {
  const nothing = { manifests: [] as Manifest[], ids: new Set<string>() };
  if (!settings) return { ...nothing, error: null };
  try {
    return await withBucket(settings, async (bucket) => {
      const ids = await bucketIds(bucket, "dumps/");
      const have = new Set(local.map(({ id }) => id));
      const wanted = [...ids].filter((id) => !have.has(id));
      return { ids, manifests: await readManifests(bucket, wanted), error: null };
    });
  } catch (error) {
    // The local copies can be listed, and one who looks for a backup needs them now.
    if (error instanceof ExpectedError) return { ...nothing, error: error.message };
    throw error;
  }
}

const AT_ONCE = 8;

async function readManifests(bucket: Bucket, ids: string[]): Promise<Manifest[]> {
  const found: (Manifest | undefined)[] = [];
  const queue = [...ids];
  const take = async () => {
    for (let id = queue.pop(); id; id = queue.pop()) {
      found.push(await bucketManifest(bucket, "dumps/", id));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, take));
  return found.filter((manifest) => manifest !== undefined);
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
      ...partsOf(manifest).map(({ file }) => file),
    ]),
  );
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !known.has(entry.name))
    .map(({ name }) => name);
}
