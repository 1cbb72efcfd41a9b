import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { type Checksums, checksums, checksumsOfFile } from "./checksum.ts";
import { globToRegExp } from "./glob.ts";

export interface MigrationFile extends Checksums {
  /** File name without suffix, or the name of the folder that holds `up.sql`. */
  version: string;
  /** Repeatable files run again whenever they change. */
  repeatable: boolean;
  path: string;
  /** `N.down.sql` or `DIR/down.sql`; a down part inside the file is found when it is read. */
  downPath?: string;
  size: number;
}

/** As people speak of it: `0001_a.sql`, `0002_b/up.sql`. */
export function nameOf(path: string): string {
  const name = basename(path);
  return /^(up|down|migration)\.sql$/.test(name) ? join(basename(dirname(path)), name) : name;
}

type Folder = Pick<Settings["migrations"], "folder" | "files">;

/** Above this a file is never held as a whole, here or by the server's parser. */
export const LARGE = 8 * 1024 * 1024;

interface Found {
  version: string;
  path: string;
  downPath?: string;
  /** `12_name.up.sql` is numbered by tools that do not pad, so 9 comes before 10. */
  number?: bigint;
  /** Ordered by this instead: Diesel takes `2017-08-31-120000_a` for 20170831120000. */
  key?: string;
}

/** The migrations of a folder in the order they run. Contents are hashed and let go of. */
export function findFiles({ folder, files: pattern }: Folder): MigrationFile[] {
  const found = [...layouts(folder, globToRegExp(pattern))];
  refuseDuplicates(found);
  found.sort(inOrder);
  const files = found.map(measured);
  return [...files.filter((file) => !file.repeatable), ...files.filter((file) => file.repeatable)];
}

function* layouts(folder: string, wanted: RegExp): Generator<Found> {
  const entries = readFolder(folder).filter((entry) => wanted.test(entry.name));
  const names = new Set(entries.map((entry) => entry.name));
  for (const entry of entries) {
    const { name } = entry;
    if (name.startsWith(".")) continue;
    if (entry.isDirectory()) yield* folderLayout(folder, name);
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

function* folderLayout(folder: string, name: string): Generator<Found> {
  const inside = new Set(readFolder(join(folder, name)).map((entry) => entry.name));
  const up = ["up.sql", "migration.sql"].filter((file) => inside.has(file));
  if (up.length === 0) return;
  if (up.length === 2) {
    throw mistake(`${join(folder, name)} has both up.sql and migration.sql; keep one of them`);
  }
  yield {
    version: name,
    path: join(folder, name, up[0] as string),
    ...(up[0] === "up.sql" && { key: withoutDashes(name) }),
    ...(inside.has("down.sql") && { downPath: join(folder, name, "down.sql") }),
  };
}

const withoutDashes = (name: string) =>
  name.replace(/^[\d-]+/, (stamp) => stamp.replaceAll("-", ""));

function readFolder(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    throw mistake(`cannot read the migrations folder: ${(error as Error).message}`, error);
  }
}

function refuseDuplicates(found: Found[]): void {
  const seen = new Map<string, string>();
  for (const { version, path } of found) {
    const first = seen.get(version);
    if (first) throw mistake(`two files are version "${version}": ${first} and ${path}`);
    seen.set(version, path);
  }
}

/** By code point, never by locale: the order must be the same on every machine. */
function inOrder(a: Found, b: Found): number {
  if (a.number !== undefined && b.number !== undefined && a.number !== b.number) {
    return a.number < b.number ? -1 : 1;
  }
  const [first, second] = [a.key ?? a.version, b.key ?? b.version];
  if (first === second) return a.version < b.version ? -1 : 1;
  return first < second ? -1 : 1;
}

function measured({ version, path, downPath }: Found): MigrationFile {
  const size = statSync(path).size;
  return {
    version,
    repeatable: version.startsWith("R__"),
    path,
    ...(downPath && { downPath }),
    size,
    ...(size > LARGE ? checksumsOfFile(path) : checksums(readFileSync(path))),
  };
}
