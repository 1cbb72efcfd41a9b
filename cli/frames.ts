import { type Readable, Writable } from "node:stream";

/**
 * What passes between the person's side and the agent, over the stdin and stdout of one `docker exec`.
 * To the agent: the request, the migrations as a tar archive, then the names of signals. From the
 * agent: bytes for stdout or a file, then the answer. A stream that ends without it was cut off.
 */
export type FrameKind = "request" | "archive" | "signal" | "bytes" | "answer";

export interface Frame {
  kind: FrameKind;
  payload: Buffer;
}

const KINDS: FrameKind[] = ["request", "archive", "signal", "bytes", "answer"];
const HEADER = 5;

export function encodeFrame(kind: FrameKind, payload: Buffer | string): Buffer {
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  const header = Buffer.alloc(HEADER);
  header.writeUInt8(KINDS.indexOf(kind), 0);
  header.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

/** Ends where the stream does; half a frame at its end is dropped. */
export async function* readFrames(stream: Readable): AsyncGenerator<Frame, undefined> {
  let chunks: Buffer[] = [];
  let length = 0;
  let wanted = HEADER;
  for await (const chunk of stream) {
    chunks.push(chunk as Buffer);
    length += chunk.length;
    while (length >= wanted) {
      const all = Buffer.concat(chunks);
      const end = HEADER + all.readUInt32BE(1);
      if (length < end) {
        wanted = end;
        chunks = [all];
        break;
      }
      const kind = KINDS[all.readUInt8(0)];
      if (!kind) return;
      yield { kind, payload: all.subarray(HEADER, end) };
      chunks = [all.subarray(end)];
      length -= end;
      wanted = HEADER;
    }
  }
}

/** A stream whose bytes go into `target` as frames. */
export const bytesInto = (target: Writable): Writable =>
  new Writable({
    write(chunk, _encoding, done) {
      target.write(encodeFrame("bytes", chunk), done);
    },
  });
