import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

export interface Checksums {
  /** Checksum of the unchanged bytes. */
  raw: string;
  /** Checksum with CRLF read as LF, so that a checkout on another system is not an edit. */
  normalised: string;
}

const CR = 13;
const LF = 10;

export function computeChecksums(bytes: Uint8Array): Checksums {
  const raw = sha256(bytes);
  return { raw, normalised: bytes.includes(CR) ? sha256(convertToLineFeeds(bytes)) : raw };
}

/** Like `computeChecksums`, but it reads the file in chunks. */
export function computeFileChecksums(path: string): Checksums {
  const [raw, normalised] = [createHash("sha256"), createHash("sha256")];
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(1024 * 1024);
  let endsWithCr = false;
  try {
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      const chunk = buffer.subarray(0, length);
      raw.update(chunk);
      // A CR at the end of a chunk is hashed after the first byte of the next chunk is known.
      if (endsWithCr && chunk[0] !== LF) normalised.update("\r");
      endsWithCr = chunk[length - 1] === CR;
      normalised.update(convertToLineFeeds(endsWithCr ? chunk.subarray(0, length - 1) : chunk));
    }
  } finally {
    closeSync(file);
  }
  if (endsWithCr) normalised.update("\r");
  return { raw: raw.digest("hex"), normalised: normalised.digest("hex") };
}

export const sha256 = (data: Uint8Array | string) =>
  createHash("sha256").update(data).digest("hex");

function convertToLineFeeds(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === CR && bytes[i + 1] === LF) continue;
    result[length++] = bytes[i] as number;
  }
  return result.subarray(0, length);
}
