import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Replaces the file in one step: after a crash it holds the old content or the new content. */
export function writeDurably(path: string, text: string): void {
  const partial = `${path}.partial`;
  writeFileSync(partial, text, { mode: 0o600 });
  syncFile(partial);
  renameSync(partial, path);
  syncFolder(dirname(path));
}

/** fsync of a file's content. */
export const syncFile = (path: string): void => sync(path, "r+");

/** fsync of a folder's entries: without it a crash may lose a rename. */
export const syncFolder = (folder: string): void => sync(folder, "r");

function sync(path: string, flags: string): void {
  const handle = openSync(path, flags);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
