import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, type Frame, type FrameKind, readFrames } from "../../cli/frames.ts";

async function read(bytes: Buffer, chunk: number): Promise<Frame[]> {
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, n) =>
    bytes.subarray(n * chunk, (n + 1) * chunk),
  );
  const frames: Frame[] = [];
  for await (const frame of readFrames(Readable.from(chunks))) frames.push(frame);
  return frames;
}

test("frames come out as they went in, however the pipe cuts them", async () => {
  const kind = fc.constantFrom<FrameKind>("request", "archive", "signal", "bytes", "answer");
  const payload = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ kind, payload })),
      fc.integer({ min: 1, max: 400 }),
      async (frames, chunk) => {
        const bytes = Buffer.concat(frames.map((frame) => encodeFrame(frame.kind, frame.payload)));
        expect(await read(bytes, chunk)).toEqual(frames);
      },
    ),
  );
});

test("a frame that was cut off is no frame", async () => {
  const whole = encodeFrame("answer", "{}");
  expect(await read(whole.subarray(0, -1), 3)).toEqual([]);
  expect(await read(Buffer.concat([whole, whole.subarray(0, 4)]), 3)).toHaveLength(1);
});
