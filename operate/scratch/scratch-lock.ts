import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LockOptions, withFileLock } from "../connect/operation-lock.ts";

/** Two scratch servers would share the memory that each takes for itself. */
export function withScratchLock<T>(options: LockOptions, use: () => Promise<T>): Promise<T> {
  // In the container's own folder: processes of another one cannot be told apart by their numbers.
  return withFileLock(join(tmpdir(), "pgstead-verify.lock"), options, use);
}
