import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { readStartTime } from "./process-identity.ts";

export interface LockHolder {
  pid: number;
  purpose: string;
  since: string;
  /** From `readStartTime`: a later process with the same pid has another value. */
  identity: string;
}

export interface FileLock {
  release(): void;
}

/**
 * Takes the lock, or returns its holder. If the holder is dead, its lock file is removed and the
 * lock is taken. Works only between processes of one machine.
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
      // link(2) is atomic and fails if the name exists. A file written in place could be read half-written.
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

/** Renames the file first, so that of two processes only one removes it. */
function removeDeadLock(path: string, dead: LockHolder | undefined): void {
  const aside = `${path}.dead.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readHolder(aside);
  // Another process took the lock between our read and our rename: restore its file.
  if (moved && moved.identity !== dead?.identity && isAlive(moved)) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function release(path: string): void {
  if (readHolder(path)?.pid === process.pid) rmSync(path, { force: true });
}
