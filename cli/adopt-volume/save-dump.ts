import { createWriteStream, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { mistake } from "../../operate/error.ts";
import { startDocker } from "./docker-child.ts";

/** Compresses the output of a docker command into a file for its owner only; no partial file stays. */
export async function saveDump(
  env: NodeJS.ProcessEnv,
  args: string[],
  file: string,
): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  const { stdin, stdout, ended, errors } = startDocker(env, args);
  stdin.end();
  const partial = `${file}.part`;
  await pipeline(stdout, createGzip(), createWriteStream(partial, { mode: 0o600 }));
  const code = await ended;
  if (code === 0) return renameSync(partial, file);
  rmSync(partial, { force: true });
  throw mistake(`the dump failed, and nothing was changed: ${errors()}`);
}
