import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";

export interface Checksums {
  /** Of the bytes as they are. */
  raw: string;
  /** With CRLF read as LF: a checkout on another system is not an edit. */
  normalised: string;
}

const CR = 13;
const LF = 10;

export function checksums(bytes: Uint8Array): Checksums {
  const raw = sha256(bytes);
  return { raw, normalised: bytes.includes(CR) ? sha256(withLineFeeds(bytes)) : raw };
}

/** As `checksums`, a piece at a time. */
export function checksumsOfFile(path: string): Checksums {
  const [raw, normalised] = [createHash("sha256"), createHash("sha256")];
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(1024 * 1024);
  let held = false;
  try {
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      const piece = buffer.subarray(0, length);
      raw.update(piece);
      // A CR at the end of a piece waits for what follows it.
      if (held && piece[0] !== LF) normalised.update("\r");
      held = piece[length - 1] === CR;
      normalised.update(withLineFeeds(held ? piece.subarray(0, length - 1) : piece));
    }
  } finally {
    closeSync(file);
  }
  if (held) normalised.update("\r");
  return { raw: raw.digest("hex"), normalised: normalised.digest("hex") };
}

export const sha256 = (data: Uint8Array | string) =>
  createHash("sha256").update(data).digest("hex");

function withLineFeeds(bytes: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] === CR && bytes[i + 1] === LF) continue;
    result[length++] = bytes[i] as number;
  }
  return result.subarray(0, length);
}
