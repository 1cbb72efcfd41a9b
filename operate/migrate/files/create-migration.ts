import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile } from "./find-files.ts";

export interface NewMigration {
  version: string;
  /** The file to write, then its down file where the layout has one. */
  paths: string[];
}

export interface MigrationContents {
  up: string;
  down: string;
}

const TODO = "-- migrate:todo write the SQL, then remove this line\n";

/** Writes a new file with the numbering and layout of the newest one in the folder. */
export function createMigration(
  settings: Settings,
  name: string,
  contents: MigrationContents = { up: `${TODO}\n`, down: "" },
): NewMigration {
  const slug = name
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_|_$/g, "");
  if (slug === "") throw mistake(`"${name}" has no letter or digit to make a file name of`);
  const { folder } = settings.migrations;
  mkdirSync(folder, { recursive: true });
  const files = findFiles(settings.migrations).filter(({ repeatable }) => !repeatable);
  const version = chooseNextVersion(files, slug, new Date());
  const written = planFiles(files.at(-1), folder, version, contents);
  for (const [path, text] of written) {
    if (existsSync(path)) throw mistake(`${path} exists already`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { flag: "wx" });
  }
  return { version, paths: written.map(([path]) => path) };
}

function planFiles(
  newest: MigrationFile | undefined,
  folder: string,
  version: string,
  { up, down }: MigrationContents,
): [string, string][] {
  const like = newest ? basename(newest.path) : "";
  if (like.endsWith(".up.sql")) {
    return [
      [join(folder, `${version}.up.sql`), up],
      [join(folder, `${version}.down.sql`), down || TODO],
    ];
  }
  if (like === "up.sql") {
    return [
      [join(folder, version, "up.sql"), up],
      [join(folder, version, "down.sql"), down || TODO],
    ];
  }
  if (like === "migration.sql") return [[join(folder, version, "migration.sql"), up]];
  return [[join(folder, `${version}.sql`), `${up}\n-- migrate:down\n${down && `\n${down}`}`]];
}

/** Continues the numbering of the newest version: a number or a time, with the same number of digits. */
export function chooseNextVersion(
  files: Pick<MigrationFile, "version">[],
  slug: string,
  now: Date,
) {
  const newest = files.at(-1)?.version;
  if (newest === undefined) return `0001_${slug}`;
  const time = now.toISOString().replace(/\D/g, "");
  const dated = /^(\D*)(\d{4})([-_])\d\d\3\d\d(?:\3(\d{4,6}))?/.exec(newest);
  if (dated) {
    const [, prefix = "", , mark = "_", clock] = dated;
    const day = [time.slice(0, 4), time.slice(4, 6), time.slice(6, 8)].join(mark);
    return `${prefix}${day}${clock ? mark + time.slice(8, 8 + clock.length) : ""}_${slug}`;
  }
  const numbered = /^(\D*?)(\d+)/.exec(newest);
  if (!numbered) return `${time.slice(0, 14)}_${slug}`;
  const [, prefix = "", digits = ""] = numbered;
  if (digits.length >= 8) {
    const next = time.slice(0, Math.min(14, digits.length)).padEnd(digits.length, "0");
    // The newest file may be from the same second, or from a clock ahead of this one.
    const number = BigInt(next) > BigInt(digits) ? BigInt(next) : BigInt(digits) + 1n;
    return `${prefix}${number}_${slug}`;
  }
  return `${prefix}${String(BigInt(digits) + 1n).padStart(digits.length, "0")}_${slug}`;
}
