import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { computeCompositeSum } from "../../operate/backup/format/composite-sum.ts";
import { splitIntoRanges } from "../../operate/backup/store/keep-slots.ts";

const folder = mkdtempSync(join(tmpdir(), "pgstead-sums-"));
afterAll(() => rmSync(folder, { recursive: true }));

const sha = (data: Uint8Array) => createHash("sha256").update(data).digest();

test.each([1, 10, 16, 17, 32, 100])(
  "the sum of %i bytes in parts of 16 is that of their sums",
  async (size) => {
    const path = join(folder, String(size));
    const data = Buffer.from(Array.from({ length: size }, (_, index) => index));
    writeFileSync(path, data);
    const parts: Buffer[] = [];
    for (let at = 0; at < size; at += 16) parts.push(sha(data.subarray(at, at + 16)));
    expect(await computeCompositeSum(path, 16)).toBe(sha(Buffer.concat(parts)).toString("hex"));
  },
);

test("a copy in parts covers every byte once", () => {
  expect(splitIntoRanges(10, 4)).toEqual(["bytes=0-3", "bytes=4-7", "bytes=8-9"]);
  expect(splitIntoRanges(8, 4)).toEqual(["bytes=0-3", "bytes=4-7"]);
});
