import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readStartTime } from "./process-identity.ts";

export interface LockHolder {
  pid: number;
  purpose: string;
  since: string;
  /** From `startedAt`: tells this process from a later one with the same pid. */
  identity: string;
}

export interface FileLock {
  release(): void;
}

/**
 * Takes the lock, or returns who has it. A holder that died does not count: its file is put aside
 * and the lock taken over. For processes of one machine only.
 */
export function tryFileLock(path: string, purpose: string): FileLock | LockHolder {
  const self: LockHolder = {
    pid: process.pid,
    purpose,
    since: new Date().toISOString(),
    identity: readStartTime(process.pid) ?? "",
  };
  mkdirSync(dirname(path), { recursive: true });
  const candidate = `${path}.${process.pid}`;
  writeFileSync(candidate, JSON.stringify(self));
  try {
    for (;;) {
      // link(2) is atomic and fails if the name exists; a written file would be seen half-done.
      if (tryLink(candidate, path)) return { release: () => release(path) };
      const holder = readHolder(path);
      if (holder && isAlive(holder)) return holder;
      removeDeadLock(path, holder);
    }
  } finally {
    rmSync(candidate, { force: true });
  }
}

export const isLockHolder = (result: FileLock | LockHolder): result is LockHolder =>
  "pid" in result;

/** The living holder of the lock, if there is one. */
export function findLockHolder(path: string): LockHolder | undefined {
  const holder = readHolder(path);
  return holder && isAlive(holder) ? holder : undefined;
}

const isAlive = (holder: LockHolder) => readStartTime(holder.pid) === holder.identity;

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(path: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Renamed first and looked at again, so that of two that take over only one removes the old file. */
function removeDeadLock(path: string, dead: LockHolder | undefined): void {
  const aside = `${path}.dead.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readHolder(aside);
  // Somebody else took the lock between our look and our rename: give it back.
  if (moved && moved.identity !== dead?.identity && isAlive(moved)) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function release(path: string): void {
  if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
}
