import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { type Checksums, computeChecksums, computeFileChecksums } from "./checksum.ts";
import { isFlywaySpecial, readFlywayName } from "./dialects/flyway.ts";
import { assertNamesAreClear } from "./file-names.ts";
import { globToRegExp } from "./glob.ts";
import { buildSortKey, compareNumbers, compareSortKeys } from "./sort-key.ts";

export interface MigrationFile extends Checksums {
  /** File name without suffix, or the name of the folder with `up.sql`. */
  version: string;
  /** A repeatable file runs again whenever it changes. */
  repeatable: boolean;
  path: string;
  /** `N.down.sql` or `DIR/down.sql`. `readSource` finds a down part inside the file. */
  downPath?: string;
  size: number;
}

/** The name for messages: `0001_a.sql`, `0002_b/up.sql`. */
export function shortenPath(path: string): string {
  const name = basename(path);
  return /^(up|down|migration)\.sql$/.test(name) ? join(basename(dirname(path)), name) : name;
}

type Folder = Pick<Settings["migrations"], "folder" | "files">;

/** A larger file is read and sent in chunks, so that no process holds all of it. */
export const LARGE_BYTES = 8 * 1024 * 1024;

interface Found {
  version: string;
  path: string;
  downPath?: string;
  /** Order by this instead of the version: Diesel reads `2017-08-31-120000_a` as 20170831120000. */
  key?: string;
}

type Note = (line: string) => void;

/**
 * The migrations of a folder in the order in which they run, with checksums but without contents.
 * `note` gets a line for each SQL file that does not run and that nobody can take for a migration.
 */
export function findFiles(
  { folder, files: pattern }: Folder,
  note: Note = () => {},
): MigrationFile[] {
  const entries = readEntries(folder, globToRegExp(pattern));
  assertNamesAreClear(
    folder,
    entries.map(({ name }) => name),
  );
  const found = [...findInFolder(folder, entries, note)];
  assertNoDuplicates(found);
  const hasNumbers = found.some(({ path }) => /^\d.*\.up\.sql$/.test(basename(path)));
  const files = found
    .map((one) => ({ one, key: buildSortKey(one.key ?? one.version, hasNumbers) }))
    .sort((a, b) => compareSortKeys(a.key, b.key) || (a.one.version < b.one.version ? -1 : 1))
    .map(({ one }) => readMigrationFile(one));
  return [...files.filter((file) => !file.repeatable), ...files.filter((file) => file.repeatable)];
}

function* findInFolder(folder: string, entries: Entry[], note: Note): Generator<Found> {
  const names = entries.filter(({ isFolder }) => !isFolder).map(({ name }) => name);
  const undo = pairUndoFiles(folder, names);
  const downs = new Set(names.filter((name) => name.endsWith(".down.sql")));
  for (const { name, isFolder } of entries) {
    if (isFolder) yield* findInSubfolder(folder, name, note);
    else if (name.endsWith(".sql") && !downs.has(name) && !undo.files.has(name)) {
      const version = name.replace(/(?:\.up)?\.sql$/, "");
      const down = downs.delete(`${version}.down.sql`)
        ? `${version}.down.sql`
        : undo.downOf.get(name);
      yield {
        version,
        path: join(folder, name),
        ...(down && { downPath: join(folder, down) }),
      };
    }
  }
  for (const name of downs) note(`  warning: ${name} has no up file, so it never runs`);
}

/** Flyway's `U2__x.sql` undoes the version `V2__...`. Its other files are refused by name. */
function pairUndoFiles(folder: string, names: string[]) {
  const flyway = names.flatMap((name) => {
    const read = name.endsWith(".sql") ? readFlywayName(name) : undefined;
    return read ? [{ name, ...read }] : [];
  });
  const versions = flyway.filter(({ kind }) => kind === "V");
  const isFlyway = versions.some(({ isExact }) => isExact);
  const special = isFlyway && names.find(isFlywaySpecial);
  if (special) {
    throw mistake(
      `${folder}: "${special}" is a callback or a baseline of Flyway, which pgstead does not read; move it away, or write it as a V or R file`,
    );
  }
  const files = new Set<string>();
  const downOf = new Map<string, string>();
  for (const { name, kind, numbers, isExact } of flyway) {
    const same = versions.filter((one) => compareNumbers(one.numbers, numbers) === 0);
    if (kind === "V" && isExact && same.length > 1) {
      throw mistake(
        `${folder}: ${same.map((one) => one.name).join(" and ")} have the same version; rename one of them`,
      );
    }
    if (kind === "V" || !(isExact || isFlyway)) continue;
    const [up] = same;
    if (!up || downOf.has(up.name)) {
      const why = up ? `"${up.name}" has another undo file` : "there is no V file of its version";
      throw mistake(
        `${folder}: "${name}" is an undo file of Flyway, and ${why}; remove or rename it`,
      );
    }
    files.add(name);
    downOf.set(up.name, name);
  }
  return { files, downOf };
}

function* findInSubfolder(folder: string, name: string, note: Note): Generator<Found> {
  const inside = readEntries(join(folder, name)).map((entry) => entry.name);
  const up = ["up.sql", "migration.sql"].filter((file) => inside.includes(file));
  if (up.length === 2) {
    throw mistake(`${join(folder, name)} has both up.sql and migration.sql; keep one of them`);
  }
  const read = up[0] === undefined ? [] : [up[0], "down.sql"];
  for (const file of inside.filter((one) => /\.sql\s*$/i.test(one) && !read.includes(one))) {
    reportUnread(join(folder, name, file), up.length === 0 && /^V?\d/.test(name), note);
  }
  if (up[0] === undefined) return;
  yield {
    version: name,
    path: join(folder, name, up[0]),
    ...(up[0] === "up.sql" && { key: removeDashes(name) }),
    ...(inside.includes("down.sql") && { downPath: join(folder, name, "down.sql") }),
  };
}

/** A folder that begins with a number holds migrations, so its files must not be passed over. */
function reportUnread(path: string, isNumbered: boolean, note: Note): void {
  const reason =
    "pgstead runs the .sql files of the migrations folder itself, and NAME/up.sql or NAME/migration.sql";
  if (!isNumbered) {
    note(`  warning: ${path} does not run; ${reason}`);
    return;
  }
  throw mistake(
    `${path} would not run; ${reason}. Move it up, or leave its folder out with migrations.files`,
  );
}

const removeDashes = (name: string) =>
  name.replace(/^[\d-]+/, (stamp) => stamp.replaceAll("-", ""));

interface Entry {
  name: string;
  isFolder: boolean;
}

/** Follows symbolic links. A pipe or a socket is refused, because reading it could wait forever. */
function readEntries(folder: string, wanted = /^/): Entry[] {
  return readFolder(folder).flatMap((entry) => {
    const { name } = entry;
    if (name.startsWith(".") || !wanted.test(name)) return [];
    const path = join(folder, name);
    const found = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
    if (!found?.isFile() && !found?.isDirectory() && /\.sql\s*$|^metadata\.toml$/i.test(name)) {
      throw mistake(`${path} is not a regular file, or a link to nothing; remove or rename it`);
    }
    return [{ name, isFolder: found?.isDirectory() ?? false }];
  });
}

function readFolder(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw mistake(`cannot read the migrations folder: ${(error as Error).message}`, error);
  }
}

function assertNoDuplicates(found: Found[]): void {
  const seen = new Map<string, string>();
  for (const { version, path } of found) {
    const first = seen.get(version);
    if (first) throw mistake(`two files are version "${version}": ${first} and ${path}`);
    seen.set(version, path);
  }
}

function readMigrationFile({ version, path, downPath }: Found): MigrationFile {
  const size = statSync(path).size;
  return {
    version,
    repeatable: version.startsWith("R__"),
    path,
    ...(downPath && { downPath }),
    size,
    ...(size > LARGE_BYTES ? computeFileChecksums(path) : computeChecksums(readFileSync(path))),
  };
}
