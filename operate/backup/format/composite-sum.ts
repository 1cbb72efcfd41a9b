import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";

/** What S3 calls the SHA-256 of an object that came in parts: the sum of the parts' sums. */
export async function computeCompositeSum(path: string, partBytes: number): Promise<string> {
  const whole = createHash("sha256");
  let part: Hash | undefined;
  let room = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    let rest = chunk as Buffer;
    while (rest.length > 0) {
      if (!part) [part, room] = [createHash("sha256"), partBytes];
      const taken = rest.subarray(0, room);
      part.update(taken);
      room -= taken.length;
      rest = rest.subarray(taken.length);
      if (room === 0) {
        whole.update(part.digest());
        part = undefined;
      }
    }
  }
  if (part) whole.update(part.digest());
  return whole.digest("hex");
}
