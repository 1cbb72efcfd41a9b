import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync } from "node:fs";
import { join, relative } from "node:path";

import { pack, type TarEntry } from "../../../cli/stack/docker/tar.ts";
import { filesBelow, globPattern } from "../base/glob.ts";

function ignorePatterns(context: string, dockerfile: string): string[] {
  const file = [`${dockerfile}.dockerignore`, join(context, ".dockerignore")].find(existsSync);
  if (!file) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"));
}

function isIgnored(path: string, patterns: string[]): boolean {
  let ignored = false;
  for (const each of patterns) {
    const keep = each.startsWith("!");
    const pattern = globPattern(each.replace(/^!?\/?/, "").replace(/\/$/, ""));
    const parts = path.split("/");
    // A pattern that names a folder covers everything below it.
    if (parts.some((_, i) => pattern.test(parts.slice(0, i + 1).join("/")))) ignored = !keep;
  }
  return ignored;
}

function contextFiles(context: string, dockerfile: string): string[] {
  const patterns = ignorePatterns(context, dockerfile);
  return filesBelow(context).filter((path) => !isIgnored(path, patterns));
}

/** A digest of the names, modes and contents of the files that the build can read, and of nothing else. */
export function contextDigest(context: string, dockerfile: string): string {
  const hash = createHash("sha256").update(readFileSync(dockerfile));
  for (const path of contextFiles(context, dockerfile)) {
    const full = join(context, path);
    const info = lstatSync(full);
    hash.update(`\0${path}\0${info.mode}\0`);
    hash.update(
      info.isSymbolicLink() ? realpathSync(full) : info.isFile() ? readFileSync(full) : "",
    );
  }
  return hash.digest("hex");
}

/** Packs the context into one archive, and returns the Dockerfile's path in it. */
export function packContext(
  context: string,
  dockerfile: string,
): { archive: Buffer; dockerfile: string } {
  const inside = relative(context, dockerfile);
  const paths = new Set(contextFiles(context, dockerfile));
  const outside = inside.startsWith("..");
  if (!outside) paths.add(inside);
  const entries: TarEntry[] = [...paths].sort().map((path) => entryOf(context, path));
  if (!outside) return { archive: pack(entries), dockerfile: inside };
  const name = ".dockerfile.outside";
  entries.push({ path: name, content: readFileSync(dockerfile), mode: 0o600 });
  return { archive: pack(entries), dockerfile: name };
}

function entryOf(context: string, path: string): TarEntry {
  const full = join(context, path);
  const info = lstatSync(full);
  const mode = info.mode & 0o7777;
  if (info.isSymbolicLink()) return { path, mode, link: readlinkSync(full) };
  return { path, mode, content: readFileSync(full) };
}
