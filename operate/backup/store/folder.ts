import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { syncFile, syncFolder, writeDurably } from "../../durable-write.ts";
import { mistake } from "../../error.ts";
import { measure } from "../format/check-dump.ts";
import { type Manifest, type Part, partsOf, readManifest } from "../format/manifest.ts";
import { proofName } from "../format/proof.ts";
import { Seal, type Sealed } from "../format/seal.ts";

const WORK = ".partial-";

export const manifestFile = (folder: string, id: string) => join(folder, `${id}.json`);

export function openFolder(folder: string): void {
  try {
    // Dumps hold everything the database does.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const probe = join(folder, `.probe-${process.pid}`);
    writeFileSync(probe, "");
    rmSync(probe);
  } catch (error) {
    throw mistake(
      `cannot write to the backup folder ${folder}: ${(error as Error).message}`,
      error,
    );
  }
}

/** `app-20260507T020000Z`: sorts by time, and says what it is wherever the file is carried. */
export function newId(folder: string, database: string, at: Date): string {
  const stamp = at.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  const base = `${database.replace(/[^A-Za-z0-9_.-]/g, "_")}-${stamp}`;
  for (let n = 1; ; n++) {
    const id = n === 1 ? base : `${base}-${n}`;
    if (!existsSync(manifestFile(folder, id))) return id;
  }
}

/** On the disk, and measured from what is there. */
export async function secure(folder: string, file: string): Promise<Part> {
  const path = join(folder, file);
  syncFile(path);
  return measure(path, file);
}

/**
 * A folder for files that do not count yet. `owner` names the server: whoever holds its operation
 * lock is alone, so what lies there is of a run that was killed.
 */
export async function withWorkFolder<T>(
  folder: string,
  owner: string,
  use: (work: string) => Promise<T>,
): Promise<T> {
  const work = join(folder, `${WORK}${owner}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { mode: 0o700 });
  try {
    return await use(work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Gives every part its place and the manifest last, so that a crash in between leaves no backup. */
export function publish(folder: string, work: string, manifest: Manifest): void {
  for (const { file } of partsOf(manifest)) renameSync(join(work, file), join(folder, file));
  syncFolder(folder);
  writeDurably(manifestFile(folder, manifest.id), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Newest first. */
export function readLocalManifests(backups: Sealed): Manifest[] {
  const { folder } = backups;
  if (!existsSync(folder)) return [];
  const seal = new Seal(backups);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => readManifest(join(folder, name), seal))
    .filter((manifest) => manifest !== undefined)
    .sort((a, b) => b.startedAt.localeCompare(a.startedAt));
}

/** The manifest first: what is left of a removal that was cut off is no backup. */
export function removeBackup(folder: string, manifest: Manifest): void {
  rmSync(manifestFile(folder, manifest.id), { force: true });
  const names = [...partsOf(manifest).map(({ file }) => file), proofName(manifest.id)];
  for (const name of names) rmSync(join(folder, name), { force: true });
}
