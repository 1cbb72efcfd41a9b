import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import Module, { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { Script } from "node:vm";

const KEPT_CACHES = 4;

/**
 * Runs the program from V8's code cache: compiling a megabyte of JavaScript takes a fifth of the
 * processor time of a short verb (docs/decisions/kept-libraries.md). Node has such a cache from 22 on.
 * Without the cache the program only starts slower, so nothing here is an error.
 */
const file = join(__dirname, "pgstead.cjs");
const source = readFileSync(file, "utf8").replace(/^#!.*/, "");
const cache = cacheFile();
const cachedData = read(cache);
const script = new Script(Module.wrap(source), {
  filename: file,
  ...(cachedData && { cachedData }),
});
const program = { exports: {} };
script.runInThisContext()(program.exports, createRequire(file), program, file, __dirname);
// After the run, so that the cache holds the functions that were called.
if (!cachedData || script.cachedDataRejected) process.on("exit", () => write(cache));

/** In the user's own folder, because whoever can write the cache can run code as this user. */
function cacheFile(): string {
  const folder = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const { size, mtimeMs } = statSync(file);
  const name = `program-${process.version}-${process.arch}-${size}-${Math.round(mtimeMs)}.v8`;
  return join(folder, "pgstead", "start", name);
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function write(path: string): void {
  try {
    const folder = join(path, "..");
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const old of oldest(folder)) rmSync(old, { force: true });
    const part = `${path}.${process.pid}`;
    writeFileSync(part, script.createCachedData(), { mode: 0o600 });
    renameSync(part, path);
  } catch {
    // The home may be read-only.
  }
}

/** Each build and each version of Node makes a cache; the newest few stay. */
function oldest(folder: string): string[] {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const age = new Map(files.map((path) => [path, statSync(path).mtimeMs]));
  return files.sort((a, b) => age.get(b)! - age.get(a)!).slice(KEPT_CACHES - 1);
}
