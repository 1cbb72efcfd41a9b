import { bareStatements, isCopyFromClient } from "../statement-scanner.ts";

const QUERY = 0x51; // 'Q'
const PARSE = 0x50; // 'P'
const COPY_IN_RESPONSE = 0x47; // 'G'

/**
 * PGlite reads its input without waiting. A `COPY FROM STDIN` without its data reads an end of file,
 * which ends the whole server. So pgstead collects the data first, then sends statement and data in one
 * piece.
 */
export type CopyIn =
  | { kind: "none" }
  | { kind: "collect"; invitation: Uint8Array }
  | { kind: "refuse"; substitute: Uint8Array };

export function inspectCopyIn(message: Uint8Array): CopyIn {
  const type = message[0];
  if (type !== QUERY && type !== PARSE) return { kind: "none" };
  const sql = sqlOf(message, type);
  if (!/\bstd(?:in|out)\b/i.test(sql)) return { kind: "none" };
  const copies = bareStatements(sql).filter(isCopyFromClient).length;
  if (copies === 0) return { kind: "none" };
  if (type === QUERY && copies === 1) {
    return { kind: "collect", invitation: buildCopyInResponse(/\bbinary\b/i.test(sql)) };
  }
  return { kind: "refuse", substitute: buildRefusal(type) };
}

/** Removes the CopyInResponse from the database's answer, because the client already has one. */
export function removeCopyInResponse(answer: Uint8Array): Uint8Array {
  const bytes = Buffer.from(answer);
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (bytes[at] !== COPY_IN_RESPONSE) messages.push(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(messages);
}

/** A Parse has the statement's name before the SQL; both end in NUL. */
function sqlOf(message: Uint8Array, type: typeof QUERY | typeof PARSE): string {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const from = type === QUERY ? 5 : bytes.indexOf(0, 5) + 1;
  return bytes.toString("latin1", from, bytes.indexOf(0, from));
}

function buildCopyInResponse(binary: boolean): Uint8Array {
  const message = Buffer.alloc(8);
  message[0] = COPY_IN_RESPONSE;
  message.writeInt32BE(7, 1);
  message[5] = binary ? 1 : 0;
  return message;
}

/** A statement that the server cannot parse. It contains the reason, which the server's error shows. */
function buildRefusal(type: number): Uint8Array {
  const sql =
    '"the embedded engine accepts COPY FROM STDIN only as one statement of the simple query protocol"\0';
  const body = type === QUERY ? sql : `\0${sql}\0\0`;
  const message = Buffer.alloc(5 + body.length);
  message[0] = type;
  message.writeInt32BE(4 + body.length, 1);
  message.write(body, 5, "latin1");
  return message;
}
