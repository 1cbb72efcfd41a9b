import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LockOptions, withFileLock } from "../connect/operation-lock.ts";

/** One scratch server at a time: each one plans with all the memory of the container. */
export function withScratchLock<T>(options: LockOptions, use: () => Promise<T>): Promise<T> {
  // In the container's own folder: process ids of another container mean nothing here.
  return withFileLock(join(tmpdir(), "pgstead-verify.lock"), options, use);
}
