import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../../run-program.ts";
import type { BackupSettings } from "../../settings.ts";
import type { Part } from "./manifest.ts";
import { measurePart } from "./measure-part.ts";

/** Name of a part's encrypted copy in the bucket. */
export const encryptedName = (file: string) => `${file}.age`;

/**
 * Gives `use` the file to upload: the part itself, or a copy encrypted to the recipients, whose private
 * key the agent does not have (S17). The copy lies in the backup folder until `use` ends.
 */
export async function withUploadFile<T>(
  { folder, recipients }: BackupSettings,
  part: Part,
  signal: AbortSignal | undefined,
  use: (folder: string, file: Part) => Promise<T>,
): Promise<T> {
  if (recipients.length === 0) return use(folder, part);
  removeAbandoned(folder);
  const work = mkdtempSync(join(folder, PREFIX));
  try {
    const file = encryptedName(part.file);
    const to = recipients.flatMap((recipient) => ["--recipient", recipient]);
    const args = ["--encrypt", ...to, "--output", join(work, file), join(folder, part.file)];
    await runProgram("age", args, signal);
    return await use(work, await measurePart(join(work, file), file));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const PREFIX = ".encrypted-";
const DAY_MS = 24 * 3600_000;

/** Removes the copies of uploads that were killed. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder).filter((one) => one.startsWith(PREFIX))) {
    const path = join(folder, name);
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (Date.now() - made > DAY_MS) rmSync(path, { recursive: true, force: true });
  }
}
