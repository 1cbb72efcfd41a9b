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

const KEPT = 4;

/**
 * Runs the program with what V8 made of it the last time: to read a megabyte of JavaScript anew costs
 * a third of a short verb. Node has this of its own from 22 on; here it is for 20 too. The program runs
 * without as well, only slower, so nothing about it is an error.
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
// Once it has run, so that the functions it called are in it.
if (!cachedData || script.cachedDataRejected) process.on("exit", () => write(cache));

/** In the user's own folder: whoever may write it may make this user run what he likes. */
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
    // A home that cannot be written is no reason to fail.
  }
}

/** All but a few: each build and each version of Node leaves one. */
function oldest(folder: string): string[] {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const age = new Map(files.map((path) => [path, statSync(path).mtimeMs]));
  return files.sort((a, b) => age.get(b)! - age.get(a)!).slice(KEPT - 1);
}
