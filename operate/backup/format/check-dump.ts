import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { runTool } from "../../connect/postgres-tool.ts";
import { unreachable } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import type { Manifest, Part } from "./manifest.ts";

/** The last words of a plain dump; one that was cut off, as through a pipe that hid a failure, lacks them. */
const COMPLETE = "-- PostgreSQL database dump complete";

/** Reads back what pg_dump wrote: an exit code of 0 alone has been known to cover an empty file. */
export async function assertReadable(
  settings: Settings,
  path: string,
  format: Manifest["format"],
  signal?: AbortSignal,
): Promise<void> {
  if (statSync(path).size === 0) throw unreachable(`pg_dump wrote an empty file: ${path}`);
  if (format === "plain") return assertEnds(path);
  const { stdout } = await runTool(settings, "pg_restore", ["--list", path], signal && { signal });
  if (!/^; Archive created at /m.test(stdout)) {
    throw unreachable(`pg_restore finds no table of contents in ${path}`);
  }
}

async function assertEnds(path: string): Promise<void> {
  let tail = "";
  await pipeline(
    createReadStream(path),
    createGunzip(),
    new Writable({
      write(chunk, _encoding, done) {
        tail = (tail + chunk).slice(-1000);
        done();
      },
    }),
  );
  if (!tail.includes(COMPLETE)) throw unreachable(`the dump in ${path} is cut off`);
}

export async function measure(path: string, file: string): Promise<Part> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return { file, size: statSync(path).size, sha256: hash.digest("hex") };
}
