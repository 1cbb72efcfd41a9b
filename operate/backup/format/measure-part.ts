import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Part } from "./manifest.ts";

/** Reads size and SHA-256 of the file at `path`, which the manifest names `file`. */
export async function measurePart(path: string, file: string): Promise<Part> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return { file, size: statSync(path).size, sha256: hash.digest("hex") };
}
