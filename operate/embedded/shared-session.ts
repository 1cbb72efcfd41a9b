import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { AnswerScanner } from "./answer-scanner.ts";
import { ClientConnection } from "./client-connection.ts";
import { inspectCopyIn, removeCopyInResponse } from "./copy-in.ts";

/** The part of PGlite that serves clients: it takes one message and returns the bytes of the answer. */
export interface Backend {
  execProtocolRawStream(
    message: Uint8Array,
    options: { onRawData: (data: Uint8Array) => void },
  ): Promise<void>;
  exec(sql: string): Promise<unknown>;
}

const DRAIN_MS = 5_000;

const TERMINATE = 0x58; // 'X'
const COPY_DONE = 0x63; // 'c'
const COPY_FAIL = 0x66; // 'f'

/**
 * Serves many clients on the one session of PGlite, in turns. A turn begins with a client's message and
 * ends when the server answers "ready" outside a transaction. Without turns, the Parse of one client
 * could be followed by the Bind of another. All clients share what one of them SETs; when the last one
 * disconnects, the session is reset.
 */
export class SharedSession {
  private backend: Backend;
  private readonly reopen: () => Promise<Backend>;
  private readonly clients = new Set<ClientConnection>();
  private readonly waiting: ClientConnection[] = [];
  /** The client whose turn it is. */
  private current: ClientConnection | undefined;

  constructor(backend: Backend, reopen: () => Promise<Backend>) {
    this.backend = backend;
    this.reopen = reopen;
  }

  /** Waits for the end of the current turn, then closes every connection. */
  async drain(): Promise<void> {
    this.waiting.length = 0;
    const deadline = Date.now() + DRAIN_MS;
    while (this.current && Date.now() < deadline) await sleep(20);
    for (const client of this.clients) client.socket.destroy();
  }

  accept(socket: Socket): void {
    const client = new ClientConnection(socket);
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

  private requestTurn(client: ClientConnection): void {
    if (client === this.current || this.waiting.includes(client)) {
      client.wake();
      return;
    }
    this.waiting.push(client);
    if (!this.current) void this.takeTurns();
  }

  private async takeTurns(): Promise<void> {
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      this.current = next;
      try {
        await this.serve(next);
      } catch (error) {
        await this.recover(error as Error);
      }
      this.current = undefined;
    }
  }

  /** As a postmaster does when a backend crashes: closes every connection, then starts with a WAL replay. */
  private async recover(error: Error): Promise<void> {
    console.error(
      `the database crashed (${error.message}); closing all connections and starting it again`,
    );
    for (const client of this.clients) client.socket.destroy();
    this.clients.clear();
    this.waiting.length = 0;
    this.backend = await this.reopen();
  }

  /** One turn: ends when the client is idle outside a transaction, or closed. */
  private async serve(client: ClientConnection): Promise<void> {
    let isIdle = true;
    for (;;) {
      const message = client.takeMessage();
      if (message) {
        if (message[0] === TERMINATE && client.isStarted) {
          client.socket.end();
          client.isClosed = true;
        } else {
          isIdle = await this.forward(client, message);
        }
      } else if (client.isClosed) {
        return this.removeClient(client, isIdle);
      } else if (isIdle) {
        return;
      } else {
        await client.waitForData();
      }
    }
  }

  /** Returns whether the session is idle outside a transaction afterwards. */
  private async forward(client: ClientConnection, message: Uint8Array): Promise<boolean> {
    const copyIn = client.isStarted ? inspectCopyIn(message) : ({ kind: "none" } as const);
    if (copyIn.kind === "collect") return this.forwardCopyIn(client, message, copyIn.invitation);
    const answer = new AnswerScanner();
    await this.backend.execProtocolRawStream(
      copyIn.kind === "refuse" ? copyIn.substitute : message,
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

  /** Collects the data from the client, then sends the statement with its data. */
  private async forwardCopyIn(
    client: ClientConnection,
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

  private async removeClient(client: ClientConnection, isIdle: boolean): Promise<void> {
    if (!this.clients.delete(client)) return;
    // A client that disconnected during its turn leaves a transaction, or messages without a Sync.
    if (!isIdle) await this.backend.exec("ROLLBACK").catch(() => {});
    if (this.clients.size === 0) await this.backend.exec("DISCARD ALL").catch(() => {});
  }
}
