import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { type Checksums, computeChecksums, computeFileChecksums } from "./checksum.ts";
import { globToRegExp } from "./glob.ts";

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
  /** Of `12_name.up.sql`. Tools with this layout do not pad numbers, so 9 comes before 10. */
  number?: bigint;
  /** Order by this instead of the version: Diesel reads `2017-08-31-120000_a` as 20170831120000. */
  key?: string;
}

/** The migrations of a folder in the order in which they run, with checksums but without contents. */
export function findFiles({ folder, files: pattern }: Folder): MigrationFile[] {
  const found = [...findInFolder(folder, globToRegExp(pattern))];
  assertNoDuplicates(found);
  found.sort(compareOrder);
  const files = found.map(readMigrationFile);
  return [...files.filter((file) => !file.repeatable), ...files.filter((file) => file.repeatable)];
}

function* findInFolder(folder: string, wanted: RegExp): Generator<Found> {
  const entries = readFolder(folder).filter((entry) => wanted.test(entry.name));
  const names = new Set(entries.map((entry) => entry.name));
  for (const entry of entries) {
    const { name } = entry;
    if (name.startsWith(".")) continue;
    if (entry.isDirectory()) yield* findInSubfolder(folder, name);
    else if (name.endsWith(".up.sql")) {
      const version = name.slice(0, -".up.sql".length);
      const down = `${version}.down.sql`;
      const number = /^\d+/.exec(version)?.[0];
      yield {
        version,
        path: join(folder, name),
        ...(names.has(down) && { downPath: join(folder, down) }),
        ...(number && { number: BigInt(number) }),
      };
    } else if (name.endsWith(".sql") && !name.endsWith(".down.sql")) {
      yield { version: name.slice(0, -".sql".length), path: join(folder, name) };
    }
  }
}

function* findInSubfolder(folder: string, name: string): Generator<Found> {
  const inside = new Set(readFolder(join(folder, name)).map((entry) => entry.name));
  const up = ["up.sql", "migration.sql"].filter((file) => inside.has(file));
  if (up.length === 0) return;
  if (up.length === 2) {
    throw mistake(`${join(folder, name)} has both up.sql and migration.sql; keep one of them`);
  }
  yield {
    version: name,
    path: join(folder, name, up[0] as string),
    ...(up[0] === "up.sql" && { key: removeDashes(name) }),
    ...(inside.has("down.sql") && { downPath: join(folder, name, "down.sql") }),
  };
}

const removeDashes = (name: string) =>
  name.replace(/^[\d-]+/, (stamp) => stamp.replaceAll("-", ""));

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

/** Compares by code unit, not by locale, so that the order is the same on every machine. */
function compareOrder(a: Found, b: Found): number {
  if (a.number !== undefined && b.number !== undefined && a.number !== b.number) {
    return a.number < b.number ? -1 : 1;
  }
  const [first, second] = [a.key ?? a.version, b.key ?? b.version];
  if (first === second) return a.version < b.version ? -1 : 1;
  return first < second ? -1 : 1;
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
