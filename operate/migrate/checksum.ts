import { createHash } from "node:crypto";

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
