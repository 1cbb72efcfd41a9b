import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const PREFIX = ".scratch-";
const HEARTBEAT_MS = 5_000;
const ABANDONED_MS = 12 * HEARTBEAT_MS;
/** Names the folder that this container made last. */
const LAST_FOLDER = join(tmpdir(), "pgstead-verify.home");

/**
 * Makes a folder on the volume and removes it after `use`. While it is in use, its modification time is
 * updated every few seconds: other processes remove a folder whose time is old.
 */
export async function withScratchFolder<T>(
  folder: string,
  use: (scratch: string) => Promise<T>,
): Promise<T> {
  removeAbandoned(folder);
  const scratch = mkdtempSync(join(folder, PREFIX));
  writeFileSync(LAST_FOLDER, scratch);
  const touch = () => utimesSync(scratch, new Date(), new Date());
  const heartbeat = setInterval(touch, HEARTBEAT_MS).unref();
  try {
    return await use(scratch);
  } finally {
    clearInterval(heartbeat);
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Removes this container's last folder at once: the scratch lock proves that nothing uses it. Removes
 * any other folder once its heartbeat stops, because another agent may use the same volume.
 */
function removeAbandoned(folder: string): void {
  const last = readLastFolder();
  for (const name of readdirSync(folder).filter((one) => one.startsWith(PREFIX))) {
    const path = join(folder, name);
    const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const isAbandoned = name === last || Date.now() - touched > ABANDONED_MS;
    if (isAbandoned) rmSync(path, { recursive: true, force: true });
  }
}

function readLastFolder(): string | undefined {
  try {
    return basename(readFileSync(LAST_FOLDER, "utf8"));
  } catch {
    return undefined;
  }
}
