import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";

/** The SHA-256 that S3 reports for a multipart upload: the hash of the hashes of the parts. */
export async function computeCompositeSum(path: string, partBytes: number): Promise<string> {
  const composite = createHash("sha256");
  let part: Hash | undefined;
  let missing = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    let rest = chunk as Buffer;
    while (rest.length > 0) {
      if (!part) [part, missing] = [createHash("sha256"), partBytes];
      const taken = rest.subarray(0, missing);
      part.update(taken);
      missing -= taken.length;
      rest = rest.subarray(taken.length);
      if (missing === 0) {
        composite.update(part.digest());
        part = undefined;
      }
    }
  }
  if (part) composite.update(part.digest());
  return composite.digest("hex");
}
