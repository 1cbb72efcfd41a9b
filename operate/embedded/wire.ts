import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { inspectCopyIn, removeCopyInResponse } from "./copy-in.ts";

/** What the front needs of the database: one message in, the answer's bytes out. */
export interface Backend {
  execProtocolRawStream(
    message: Uint8Array,
    options: { onRawData: (data: Uint8Array) => void },
  ): Promise<void>;
  exec(sql: string): Promise<unknown>;
}

const DRAIN_MS = 5_000;

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const TERMINATE = 0x58; // 'X'
const COPY_DONE = 0x63; // 'c'
const COPY_FAIL = 0x66; // 'f'

/**
 * Serves many clients on the one session that PGlite has, in turn: a client that begins to speak has
 * the session to itself until the server answers "ready, and in no transaction". Without turns the
 * Parse of one client meets the Bind of another. What clients SET is shared; the last one to leave
 * takes all of it away.
 */
export class SharedSession {
  private backend: Backend;
  private readonly reopen: () => Promise<Backend>;
  private readonly clients = new Set<Client>();
  private readonly waiting: Client[] = [];
  private speaker: Client | undefined;

  constructor(backend: Backend, reopen: () => Promise<Backend>) {
    this.backend = backend;
    this.reopen = reopen;
  }

  /** Lets the turn under way end, then ends every connection. */
  async drain(): Promise<void> {
    this.waiting.length = 0;
    const deadline = Date.now() + DRAIN_MS;
    while (this.speaker && Date.now() < deadline) await sleep(20);
    for (const client of this.clients) client.socket.destroy();
  }

  accept(socket: Socket): void {
    const client = new Client(socket);
    this.clients.add(client);
    socket.setNoDelay(true);
    socket.on("data", (data) => {
      client.receive(data);
      this.requestTurn(client);
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      client.isClosed = true;
      this.requestTurn(client);
    });
  }

  private requestTurn(client: Client): void {
    if (client === this.speaker || this.waiting.includes(client)) {
      client.wake();
      return;
    }
    this.waiting.push(client);
    if (!this.speaker) void this.takeTurns();
  }

  private async takeTurns(): Promise<void> {
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      this.speaker = next;
      try {
        await this.serve(next);
      } catch (error) {
        await this.recover(error as Error);
      }
      this.speaker = undefined;
    }
  }

  /** As a postmaster does: one backend that died ends every connection, then the log is replayed. */
  private async recover(error: Error): Promise<void> {
    console.error(
      `the database ended (${error.message}); ending all connections and starting it again`,
    );
    for (const client of this.clients) client.socket.destroy();
    this.clients.clear();
    this.waiting.length = 0;
    this.backend = await this.reopen();
  }

  /** Ends when the client is idle outside a transaction, or gone. */
  private async serve(client: Client): Promise<void> {
    let idle = true;
    for (;;) {
      const message = client.takeMessage();
      if (message) {
        if (message[0] === TERMINATE && client.isStarted) {
          client.socket.end();
          client.isClosed = true;
        } else {
          idle = await this.forward(client, message);
        }
      } else if (client.isClosed) {
        return this.removeClient(client, idle);
      } else if (idle) {
        return;
      } else {
        await client.waitForData();
      }
    }
  }

  private async forward(client: Client, message: Uint8Array): Promise<boolean> {
    const forwardCopyIn = client.isStarted ? inspectCopyIn(message) : ({ kind: "none" } as const);
    if (forwardCopyIn.kind === "collect")
      return this.copyIn(client, message, forwardCopyIn.invitation);
    const answer = new AnswerScanner();
    await this.backend.execProtocolRawStream(
      forwardCopyIn.kind === "refuse" ? forwardCopyIn.substitute : message,
      {
        onRawData: (data) => {
          answer.scan(data);
          client.send(data);
        },
      },
    );
    client.isStarted = true;
    return answer.isIdle;
  }

  private async copyIn(
    client: Client,
    query: Uint8Array,
    invitation: Uint8Array,
  ): Promise<boolean> {
    client.send(invitation);
    const parts = [query];
    for (let last = query[0]; last !== COPY_DONE && last !== COPY_FAIL; ) {
      const message = client.takeMessage();
      if (message) {
        parts.push(message);
        last = message[0];
      } else if (client.isClosed) {
        return true;
      } else {
        await client.waitForData();
      }
    }
    const chunks: Uint8Array[] = [];
    await this.backend.execProtocolRawStream(Buffer.concat(parts), {
      onRawData: (data) => chunks.push(data.slice()),
    });
    const answer = removeCopyInResponse(Buffer.concat(chunks));
    client.send(answer);
    const scanner = new AnswerScanner();
    scanner.scan(answer);
    return scanner.isIdle;
  }

  private async removeClient(client: Client, idle: boolean): Promise<void> {
    if (!this.clients.delete(client)) return;
    // A client that vanished in the middle leaves a transaction, or messages without their Sync.
    if (!idle) await this.backend.exec("ROLLBACK").catch(() => {});
    if (this.clients.size === 0) await this.backend.exec("DISCARD ALL").catch(() => {});
  }
}

/** One connection: cuts what arrives into whole messages. */
class Client {
  readonly socket: Socket;
  /** The start-up message has none of the type bytes that later ones have. */
  isStarted = false;
  isClosed = false;
  private buffer: Buffer = Buffer.alloc(0);
  private onMore: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  receive(data: Buffer): void {
    this.buffer = this.buffer.length === 0 ? data : Buffer.concat([this.buffer, data]);
  }

  send(data: Uint8Array): void {
    // Copied: the database uses its buffer again for the next chunk.
    if (this.socket.writable) this.socket.write(Buffer.from(data));
  }

  waitForData(): Promise<void> {
    return new Promise((resolve) => {
      this.onMore = resolve;
    });
  }

  wake(): void {
    this.onMore?.();
    this.onMore = undefined;
  }

  takeMessage(): Uint8Array | undefined {
    return this.isStarted ? this.takeBytes(1) : this.takeStartUpMessage();
  }

  private takeStartUpMessage(): Uint8Array | undefined {
    while (this.buffer.length >= 8) {
      const code = this.buffer.readInt32BE(4);
      if (code === CANCEL_REQUEST) {
        // There is one session; nothing that runs in it can be told from outside to stop.
        this.buffer = Buffer.alloc(0);
        this.socket.end();
        return undefined;
      }
      if (code !== SSL_REQUEST && code !== GSS_REQUEST) return this.takeBytes(0);
      this.buffer = this.buffer.subarray(8);
      this.socket.write("N");
    }
    return undefined;
  }

  private takeBytes(typeBytes: number): Uint8Array | undefined {
    if (this.buffer.length < typeBytes + 4) return undefined;
    const length = typeBytes + this.buffer.readInt32BE(typeBytes);
    if (this.buffer.length < length) return undefined;
    const message = new Uint8Array(this.buffer.subarray(0, length));
    this.buffer = this.buffer.subarray(length);
    return message;
  }
}

const READY_FOR_QUERY = 0x5a; // 'Z'
const IDLE = 0x49; // 'I'

/** Follows the messages of an answer, which come in chunks cut anywhere, to the last "ready". */
class AnswerScanner {
  isIdle = false;
  private header: number[] = [];
  private left = 0;

  scan(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      if (this.left > 0) {
        const step = Math.min(this.left, data.length - at);
        this.left -= step;
        if (this.header[0] === READY_FOR_QUERY && this.left === 0) {
          this.isIdle = data[at + step - 1] === IDLE;
        }
        at += step;
        if (this.left === 0) this.header = [];
      } else {
        this.header.push(data[at++] as number);
        if (this.header.length === 5) this.readHeader();
      }
    }
  }

  private readHeader(): void {
    const [, a, b, c, d] = this.header as [number, number, number, number, number];
    this.left = ((a << 24) | (b << 16) | (c << 8) | d) - 4;
    if (this.header[0] !== READY_FOR_QUERY) this.isIdle = false;
    if (this.left === 0) this.header = [];
  }
}
