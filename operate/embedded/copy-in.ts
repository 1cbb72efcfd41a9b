import { bareStatements } from "../statement-scanner.ts";

const QUERY = 0x51; // 'Q'
const PARSE = 0x50; // 'P'
const COPY_IN_RESPONSE = 0x47; // 'G'

/**
 * PGlite does not wait for input: a `COPY FROM STDIN` whose data has not arrived reads an end of file,
 * and the whole server ends. So the front collects the data first, and sends statement and data as one.
 */
export type CopyIn =
  | { kind: "none" }
  | { kind: "collect"; invitation: Uint8Array }
  | { kind: "refuse"; substitute: Uint8Array };

export function inspectCopyIn(message: Uint8Array): CopyIn {
  const type = message[0];
  if (type !== QUERY && type !== PARSE) return { kind: "none" };
  const sql = sqlOf(message, type);
  if (!/\bstdin\b/i.test(sql)) return { kind: "none" };
  const copies = bareStatements(sql).filter((bare) => COPY_FROM_STDIN.test(bare)).length;
  if (copies === 0) return { kind: "none" };
  if (type === QUERY && copies === 1) {
    return { kind: "collect", invitation: copyInResponse(/\bbinary\b/i.test(sql)) };
  }
  return { kind: "refuse", substitute: refusal(type) };
}

/** The answer of the database without the invitation that the client has had from us already. */
export function withoutInvitation(answer: Uint8Array): Uint8Array {
  const bytes = Buffer.from(answer);
  const kept: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (bytes[at] !== COPY_IN_RESPONSE) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept);
}

/** The marks of a comment may stand between the last two. */
const COPY_FROM_STDIN = /^copy\b.*\bfrom\b[^\w"']*\bstdin\b/is;

/** A Parse has the statement's name before the SQL; both end in NUL. */
function sqlOf(message: Uint8Array, type: typeof QUERY | typeof PARSE): string {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const from = type === QUERY ? 5 : bytes.indexOf(0, 5) + 1;
  return bytes.toString("latin1", from, bytes.indexOf(0, from));
}

function copyInResponse(binary: boolean): Uint8Array {
  const message = Buffer.alloc(8);
  message[0] = COPY_IN_RESPONSE;
  message.writeInt32BE(7, 1);
  message[5] = binary ? 1 : 0;
  return message;
}

/** A statement that cannot be parsed: the server's own error then carries our reason. */
function refusal(type: number): Uint8Array {
  const sql =
    '"the embedded engine takes COPY FROM STDIN as one statement of the simple query protocol only"\0';
  const body = type === QUERY ? sql : `\0${sql}\0\0`;
  const message = Buffer.alloc(5 + body.length);
  message[0] = type;
  message.writeInt32BE(4 + body.length, 1);
  message.write(body, 5, "latin1");
  return message;
}
