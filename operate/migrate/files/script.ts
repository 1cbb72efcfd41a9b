import { once } from "node:events";
import { type Client, type Connection, type DatabaseError, Query } from "pg";
import { cancelOnStop } from "../../connect/cancel-on-stop.ts";
import { ExpectedError } from "../../error.ts";
import { Stopped } from "../../stop.ts";
import type { CopyRows } from "./copy-rows.ts";

/** An error of the server. `completed` statements of the script ran before it. */
export class ScriptError extends Error {
  readonly error: DatabaseError;
  readonly completed: number;
  /** The sessions that held the lock, if they were seen. */
  blockers: string[] = [];
  /** The script's own COMMIT or PREPARE TRANSACTION ran: what came before it was kept. */
  readonly hasCommitted: boolean;
  /** The COPY that failed. */
  readonly copy: CopyRows | undefined;

  constructor(error: DatabaseError, { completed, commits }: ScriptResult, copy?: CopyRows) {
    super(error.message, { cause: error });
    this.error = error;
    this.completed = completed;
    this.hasCommitted = commits > 0;
    this.copy = copy;
  }
}

export interface ScriptResult {
  completed: number;
  /** Transactions that the script has ended, by the command tags of the server. */
  commits: number;
}

/**
 * Sends several statements in one message and counts them. Rows are dropped on arrival, so that a
 * SELECT over a large table uses no memory. Each COPY with rows is a message of its own, because the
 * embedded server accepts one in a message.
 */
export async function runScript(
  client: Client,
  text: string,
  copies: CopyRows[] = [],
): Promise<ScriptResult> {
  const { connection } = client as unknown as { connection: Connection };
  const result: ScriptResult = { completed: 0, commits: 0 };
  const count = ({ text: tag }: { text?: string }) => {
    result.completed++;
    if (tag === "COMMIT" || tag === "PREPARE TRANSACTION") result.commits++;
  };
  let current: Message | undefined;
  connection.on("commandComplete", count);
  try {
    await cancelOnStop(client, async () => {
      for (const message of splitMessages(text, copies)) {
        current = message;
        await send(client, message);
      }
    });
    return result;
  } catch (error) {
    if (error instanceof Stopped || error instanceof ExpectedError) throw error;
    const { start = 0, copy } = current ?? {};
    throw new ScriptError(movePosition(error as DatabaseError, text.slice(0, start)), result, copy);
  } finally {
    connection.off("commandComplete", count);
  }
}

interface Message {
  text: string;
  /** Index in the script where it begins. */
  start: number;
  copy?: CopyRows;
}

function splitMessages(text: string, copies: CopyRows[]): Message[] {
  if (copies.length === 0) return [{ text, start: 0 }];
  const messages: Message[] = [];
  let start = 0;
  for (const copy of copies) {
    messages.push({ text: text.slice(start, copy.start), start });
    messages.push({ text: text.slice(copy.start, copy.from), start: copy.start, copy });
    start = copy.end;
  }
  messages.push({ text: text.slice(start), start });
  return messages.filter((message) => message.text.trim() !== "");
}

/** The server counts characters from the beginning of its message. */
function movePosition(error: DatabaseError, before: string): DatabaseError {
  if (error.position && before) {
    error.position = String(Number(error.position) + [...before].length);
  }
  return error;
}

async function send(client: Client, { text, copy }: Message): Promise<void> {
  let failure: unknown;
  await new Promise<void>((resolve, reject) => {
    const query = new Query(text) as Query & CopyHandler;
    let isOver = false;
    const end = (error?: Error) => {
      isOver = true;
      if (error || failure) reject(failure ?? error);
      else resolve();
    };
    query.on("row", () => {});
    query.on("end", () => end());
    query.on("error", end);
    if (copy) {
      query.handleCopyInResponse = (connection) => {
        sendRows(connection, copy.rows, () => isOver).catch((error) => {
          failure = error;
          connection.sendCopyFail("pgstead cannot read the rows");
        });
      };
    }
    client.query(query);
  });
}

/** Methods of pg that its types do not have. */
interface CopyConnection extends Connection {
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

interface CopyHandler {
  handleCopyInResponse(connection: CopyConnection): void;
}

const CHUNK = 64 * 1024;

async function sendRows(
  connection: CopyConnection,
  rows: Iterable<string>,
  isOver: () => boolean,
): Promise<void> {
  const { stream } = connection;
  for (const text of rows) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += CHUNK) {
      if (isOver() || stream.destroyed) return;
      connection.sendCopyFromChunk(bytes.subarray(at, at + CHUNK));
      if (stream.writableNeedDrain) await drain(stream);
    }
  }
  if (!isOver()) connection.endCopyFrom();
}

/** Until the socket takes more, or is closed. */
async function drain(stream: Connection["stream"]): Promise<void> {
  const done = new AbortController();
  const wait = (event: string) => once(stream, event, { signal: done.signal });
  try {
    await Promise.race([wait("drain"), wait("close")]);
  } finally {
    done.abort();
  }
}
