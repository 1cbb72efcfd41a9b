import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, type Socket } from "node:net";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { Queryable } from "../backup/format/census.ts";
import { assertOurServer } from "../connect/embedded-state.ts";
import { unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";

const QUERY = 0x51; // 'Q'
const SYNC = 0x53; // 'S'
const TERMINATE = 0x58; // 'X'
const READY = 0x5a; // 'Z'

/**
 * All clients share one session. The rollback of this transaction undoes what pg_dump SETs, and other
 * clients wait until its end. pg_dump's own BEGIN causes only a warning.
 */
const BEFORE = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/** A rollback does not remove prepared statements, and the next dump uses the same names. */
const AFTER = `DO $$ DECLARE mine name; BEGIN
  FOR mine IN SELECT name FROM pg_prepared_statements WHERE prepare_time >= now() LOOP
    EXECUTE format('DEALLOCATE %I', mine);
  END LOOP; END $$; ROLLBACK`;

/**
 * Runs pg_dump in WebAssembly on a normal connection to the embedded server. Its write must return the
 * answer at once, so it runs in a thread that sleeps until this thread has the answer.
 */
export async function dumpWithPgDump<T>(
  settings: Settings,
  signal: AbortSignal | undefined,
  inside: (asker: Queryable) => Promise<T>,
): Promise<{ text: string; seen: T }> {
  assertOurServer(settings);
  const { host, port } = settings.database;
  const socket = connect({ host, port });
  const { port1: ours, port2: theirs } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  // Resolved from the program's path, because a worker made from text has no path.
  const module = createRequire(realpathSync(process.argv[1] as string)).resolve(
    "@electric-sql/pglite-tools/pg_dump",
  );
  const worker = new Worker(THREAD, {
    eval: true,
    workerData: { module, port: theirs, answered },
    transferList: [theirs],
  });
  try {
    return await new Promise<{ text: string; seen: T }>((resolve, reject) => {
      const rejectAsLost = (error: Error) => {
        reject(unreachable(`the dump lost the embedded server: ${error.message}`, error));
      };
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      socket.once("error", rejectAsLost);
      socket.once("close", () => rejectAsLost(new Error("it closed the connection")));
      worker.once("error", (error) => reject(unreachable(`pg_dump failed: ${error}`, error)));
      const ask = relayMessages(socket, ours, answered);
      const finish = async (text: string) => {
        const seen = await inside({ query: (sql) => askRows(ask, sql) });
        await ask(AFTER);
        return { text, seen };
      };
      worker.once("message", (text: string) => finish(text).then(resolve, reject));
    });
  } finally {
    await worker.terminate();
    ours.close();
    socket.destroy();
  }
}

/** Forwards complete requests, and wakes the thread when the server is ready for the next one. */
function relayMessages(socket: Socket, port: MessagePort, answered: Int32Array) {
  let request = Buffer.alloc(0);
  let answer = Buffer.alloc(0);
  let isStarted = false;
  let ready: (bytes: Buffer) => void = () => {};
  const exchange = (bytes: Uint8Array) =>
    new Promise<Buffer>((resolve) => {
      ready = resolve;
      socket.write(bytes);
    });
  const ask = (sql: string) => exchange(encodeQuery(sql));
  const reply = (bytes: Uint8Array) => {
    port.postMessage(bytes);
    Atomics.store(answered, 0, 1);
    Atomics.notify(answered, 0);
  };
  port.on("message", async (bytes: Uint8Array) => {
    request = Buffer.concat([request, bytes]);
    const last = isStarted ? findLastType(request) : detectStartUp(request);
    // The connection must stay open for the clean-up after the dump.
    if (last === TERMINATE) request = Buffer.alloc(0);
    if (last !== QUERY && last !== SYNC) return reply(new Uint8Array());
    const complete = request;
    request = Buffer.alloc(0);
    const bytesBack = await exchange(complete);
    if (!isStarted) await ask(BEFORE);
    isStarted = true;
    reply(bytesBack);
  });
  socket.on("data", (data) => {
    answer = Buffer.concat([answer, data]);
    if (findLastType(answer) !== READY) return;
    const complete = answer;
    answer = Buffer.alloc(0);
    ready(complete);
  });
  return ask;
}

const DATA_ROW = 0x44; // 'D'
const ERROR = 0x45; // 'E'

/** Rows are read as JSON, so that numbers stay numbers. */
async function askRows(ask: (sql: string) => Promise<Buffer>, sql: string) {
  const isQuery = /^\s*(select|with)\b/i.test(sql);
  const answer = await ask(isQuery ? `select json_agg(q)::text from (${sql}) as q` : sql);
  let rows: unknown[] = [];
  for (let at = 0; at + 5 <= answer.length; at += 1 + answer.readUInt32BE(at + 1)) {
    const body = answer.subarray(at + 5, at + 1 + answer.readUInt32BE(at + 1));
    if (answer[at] === ERROR) throw unreachable(`the embedded server refused: ${body.toString()}`);
    // One column. The body holds the column count, the length (-1 for NULL) and the text.
    const isRow = answer[at] === DATA_ROW && isQuery && body.readInt32BE(2) >= 0;
    if (isRow) rows = JSON.parse(body.subarray(6).toString());
  }
  return { rows };
}

function encodeQuery(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`);
  const head = Buffer.alloc(5);
  head[0] = QUERY;
  head.writeUInt32BE(text.length + 4, 1);
  return Buffer.concat([head, text]);
}

/** The first message has a length and no type. The server answers it like a query. */
const detectStartUp = (bytes: Buffer) =>
  bytes.length >= 4 && bytes.length >= bytes.readUInt32BE(0) ? QUERY : undefined;

/** The type of the last message, if all messages are complete. */
function findLastType(bytes: Buffer): number | undefined {
  let type: number | undefined;
  let at = 0;
  while (at + 5 <= bytes.length) {
    type = bytes[at];
    at += 1 + bytes.readUInt32BE(at + 1);
  }
  return at === bytes.length ? type : undefined;
}

const THREAD = `
const { parentPort, receiveMessageOnPort, workerData } = require("node:worker_threads");
const { module: path, port, answered } = workerData;
const pg = {
  query: async () => ({ rows: [{ search_path: "public" }] }),
  exec: async () => [],
  execProtocolRawStream(bytes, { onRawData }) {
    Atomics.store(answered, 0, 0);
    port.postMessage(bytes.slice());
    Atomics.wait(answered, 0, 0);
    const { message } = receiveMessageOnPort(port);
    if (message.length > 0) onRawData(message);
  },
};
require(path).pgDump({ pg }).then((file) => file.text()).then((text) => parentPort.postMessage(text));
`;
