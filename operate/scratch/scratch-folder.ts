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

/** A folder on the volume for as long as `use` runs, kept alive for those who clear up after the dead. */
export async function withScratchFolder<T>(
  folder: string,
  use: (home: string) => Promise<T>,
): Promise<T> {
  clearAbandoned(folder);
  const home = mkdtempSync(join(folder, PREFIX));
  writeFileSync(ours(), home);
  const alive = setInterval(() => utimesSync(home, new Date(), new Date()), HEARTBEAT_MS).unref();
  try {
    return await use(home);
  } finally {
    clearInterval(alive);
    rmSync(home, { recursive: true, force: true });
  }
}

/** Which one was the last of this container: nothing of it runs any more, for verifications take turns. */
const ours = () => join(tmpdir(), "pgstead-verify.home");

/** Ours at once, others once they have no heartbeat: another agent may work on the same volume. */
function clearAbandoned(folder: string): void {
  const mine = lastOfOurs();
  for (const name of readdirSync(folder).filter((one) => one.startsWith(PREFIX))) {
    const path = join(folder, name);
    const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const isDead = name === mine || Date.now() - touched > ABANDONED_MS;
    if (isDead) rmSync(path, { recursive: true, force: true });
  }
}

function lastOfOurs(): string | undefined {
  try {
    return basename(readFileSync(ours(), "utf8"));
  } catch {
    return undefined;
  }
}
