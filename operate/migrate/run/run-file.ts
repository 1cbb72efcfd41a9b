import { basename, resolve } from "node:path";
import { mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile, nameOf } from "../files/files.ts";
import { readSource } from "../files/source.ts";
import { compare } from "../history/compare-files.ts";
import { readHistory } from "../history/history.ts";
import { inspect } from "../history/inspect.ts";
import { type RunOptions, withRunner } from "../session/runner.ts";
import { type AppliedFile, applyFile } from "./apply.ts";
import { approve, type GivenApproval } from "./approval.ts";

export interface RunFileOptions extends RunOptions {
  /** Run it again although it is recorded as applied. */
  force?: boolean;
  approval?: GivenApproval;
}

/** Runs one file of the folder, whatever its place in the order. */
export async function runFile(
  settings: Settings,
  name: string,
  options: RunFileOptions,
): Promise<AppliedFile> {
  const approval = options.force
    ? await approve(settings, "run", options.approval ?? {})
    : undefined;
  const files = findFiles(settings.migrations);
  const file = find(files, name, settings.migrations.folder);
  await inspect(readSource(file).up);
  return withRunner(settings, "migrate run", options, async (runner) => {
    const { files: all } = compare(files, await readHistory(runner.client));
    const one = all.find((compared) => compared.file === file);
    if (!one) throw mistake(`there is no migration "${name}"`);
    if (["applied", "edited"].includes(one.state) && !options.force) {
      throw refused(
        `${nameOf(file.path)} was applied on ${one.row?.finishedAt}; --force runs it again, which is for a file whose half-done work you have cleaned up`,
      );
    }
    const { row, ...again } = one;
    const resumed = one.state === "unfinished" ? one : { ...again, known: Boolean(row) };
    return applyFile(runner, resumed, { approval });
  });
}

/** By version, by file name, or by path. */
function find(files: MigrationFile[], name: string, folder: string): MigrationFile {
  const found = files.find(
    ({ version, path }) =>
      name === version ||
      name === basename(path) ||
      [resolve(name), resolve(folder, name)].includes(path),
  );
  if (found) return found;
  throw mistake(`"${name}" is no migration of ${folder}; give a file name or a version of it`);
}
