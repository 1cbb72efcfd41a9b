import { basename, resolve } from "node:path";
import { mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile, shortenPath } from "../files/find-files.ts";
import { readSource } from "../files/source.ts";
import { compareFiles } from "../history/compare-files.ts";
import { readHistory } from "../history/history.ts";
import { inspectPart } from "../history/inspect-part.ts";
import { type RunOptions, withRunner } from "../session/runner.ts";
import { type AppliedFile, applyFile } from "./apply.ts";
import { type GivenApproval, requireApproval } from "./approval.ts";

export interface RunFileOptions extends RunOptions {
  /** Run the file again although it is recorded as applied. */
  force?: boolean;
  approval?: GivenApproval;
}

/** Runs one file of the folder, even out of order. */
export async function runFile(
  settings: Settings,
  name: string,
  options: RunFileOptions,
): Promise<AppliedFile> {
  const approval = options.force
    ? await requireApproval(settings, "run", options.approval ?? {})
    : undefined;
  const files = findFiles(settings.migrations);
  const file = findFile(files, name, settings.migrations.folder);
  await inspectPart(readSource(file).up);
  return withRunner(settings, "migrate run", options, async (runner) => {
    const { files: all } = compareFiles(files, await readHistory(runner.client));
    const one = all.find((compared) => compared.file === file);
    if (!one) throw mistake(`there is no migration "${name}"`);
    if (["applied", "edited"].includes(one.state) && !options.force) {
      throw refused(
        `${shortenPath(file.path)} was applied on ${one.row?.finishedAt}; --force runs it again, after you have removed what it left in the database`,
      );
    }
    return applyFile(runner, one, { approval });
  });
}

/** `name` is a version, a file name or a path. */
function findFile(files: MigrationFile[], name: string, folder: string): MigrationFile {
  const found = files.find(
    ({ version, path }) =>
      name === version ||
      name === basename(path) ||
      [resolve(name), resolve(folder, name)].includes(path),
  );
  if (found) return found;
  throw mistake(`"${name}" is not a migration in ${folder}; give its file name or version`);
}
