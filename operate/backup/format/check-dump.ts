import { createReadStream, statSync } from "node:fs";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { runTool } from "../../connect/postgres-tool.ts";
import { unreachable } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import type { Manifest } from "./manifest.ts";

/** The last line of a plain dump. A truncated dump lacks it. */
const LAST_LINE = "-- PostgreSQL database dump complete";

/** Reads back what pg_dump wrote: pg_dump can exit with 0 and leave an empty file. */
export async function assertReadable(
  settings: Settings,
  path: string,
  format: Manifest["format"],
  signal?: AbortSignal,
): Promise<void> {
  if (statSync(path).size === 0) throw unreachable(`pg_dump wrote an empty file: ${path}`);
  if (format === "plain") return assertNotTruncated(path);
  const { stdout } = await runTool(settings, "pg_restore", ["--list", path], signal && { signal });
  if (!/^; Archive created at /m.test(stdout)) {
    throw unreachable(`pg_restore finds no table of contents in ${path}`);
  }
}

async function assertNotTruncated(path: string): Promise<void> {
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
  if (!tail.includes(LAST_LINE))
    throw unreachable(`the dump in ${path} is truncated: its last line is missing`);
}
