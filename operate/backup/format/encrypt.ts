import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../../run-program.ts";
import type { BackupSettings } from "../../settings.ts";
import { measure } from "./check-dump.ts";
import type { Part } from "./manifest.ts";

/** What the bucket's copy of a part is called when only the owner of a key can read it. */
export const encryptedName = (file: string) => `${file}.age`;

/**
 * The file that is uploaded: the part itself, or one encrypted to the recipients, whose key the agent
 * does not have (S17). That one lies beside the backups for as long as `use` runs.
 */
export async function withUploadFile<T>(
  { folder, recipients }: BackupSettings,
  part: Part,
  signal: AbortSignal | undefined,
  use: (folder: string, outgoing: Part) => Promise<T>,
): Promise<T> {
  if (recipients.length === 0) return use(folder, part);
  clearAbandoned(folder);
  const work = mkdtempSync(join(folder, PREFIX));
  try {
    const file = encryptedName(part.file);
    const to = recipients.flatMap((recipient) => ["--recipient", recipient]);
    const args = ["--encrypt", ...to, "--output", join(work, file), join(folder, part.file)];
    await runProgram("age", args, signal);
    return await use(work, await measure(join(work, file), file));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const PREFIX = ".encrypted-";
const DAY_MS = 24 * 3600_000;

/** Of uploads that were killed. */
function clearAbandoned(folder: string): void {
  for (const name of readdirSync(folder).filter((one) => one.startsWith(PREFIX))) {
    const path = join(folder, name);
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (Date.now() - made > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
}
