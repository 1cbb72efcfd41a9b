import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { syncFile, syncFolder, writeDurably } from "../../durable-write.ts";
import { cannotWrite } from "../../error.ts";
import { type Manifest, type Part, partsOf, readManifest } from "../format/manifest.ts";
import { measurePart } from "../format/measure-part.ts";
import { proofName } from "../format/proof.ts";
import { Seal, type SealedFolder } from "../format/seal.ts";

const WORK_PREFIX = ".partial-";

export const manifestFile = (folder: string, id: string) => join(folder, `${id}.json`);

/** Makes the backup folder, and throws if it is not writable. */
export function prepareFolder(folder: string): void {
  try {
    // Private, because dumps hold all data of the database.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const probe = join(folder, `.probe-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    throw cannotWrite(
      `cannot write to the backup folder ${folder}: ${(error as Error).message}`,
      error,
    );
  }
}

/** Such as `app-20260507T020000Z`: ids of one database sort by time. */
export function makeId(folder: string, database: string, at: Date): string {
  const stamp = at.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  const base = `${database.replace(/[^A-Za-z0-9_.-]/g, "_")}-${stamp}`;
  for (let n = 1; ; n++) {
    const id = n === 1 ? base : `${base}-${n}`;
    if (!existsSync(manifestFile(folder, id))) return id;
  }
}

/** Calls fsync, then measures the file. */
export async function syncAndMeasure(folder: string, file: string): Promise<Part> {
  const path = join(folder, file);
  syncFile(path);
  return measurePart(path, file);
}

/**
 * Gives `use` an empty folder for unfinished files, and removes it afterwards. `owner` names the server.
 * The caller holds that server's operation lock, so files in the folder are from a killed run.
 */
export async function withWorkFolder<T>(
  folder: string,
  owner: string,
  use: (work: string) => Promise<T>,
): Promise<T> {
  const work = join(folder, `${WORK_PREFIX}${owner}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { mode: 0o700 });
  try {
    return await use(work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Moves the parts into the folder and writes the manifest last: a crash before that leaves no backup. */
export function publishBackup(folder: string, work: string, manifest: Manifest): void {
  for (const { file } of partsOf(manifest)) renameSync(join(work, file), join(folder, file));
  syncFolder(folder);
  writeDurably(manifestFile(folder, manifest.id), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Newest first. */
export function readLocalManifests(backups: SealedFolder): Manifest[] {
  const { folder } = backups;
  if (!existsSync(folder)) return [];
  const seal = new Seal(backups);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readManifest(join(folder, name), seal))
    .filter((manifest) => manifest !== undefined)
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt));
}

/** Removes the manifest first: after a crash the remaining files are not a backup. */
export function removeBackup(folder: string, manifest: Manifest): void {
  rmSync(manifestFile(folder, manifest.id), { force: true });
  const names = [...partsOf(manifest).map(({ file }) => file), proofName(manifest.id)];
  for (const name of names) rmSync(join(folder, name), { force: true });
}
