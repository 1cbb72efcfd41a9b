import type { Socket } from "node:net";

const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;

/** One connection. It divides the incoming bytes into complete messages. */
export class ClientConnection {
  readonly socket: Socket;
  /** False before the start-up message, the only one without a type byte. */
  isStarted = false;
  isClosed = false;
  private buffer: Buffer = Buffer.alloc(0);
  private onData: (() => void) | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  receive(data: Buffer): void {
    this.buffer = this.buffer.length === 0 ? data : Buffer.concat([this.buffer, data]);
  }

  send(data: Uint8Array): void {
    // A copy, because the database uses its buffer again for the next chunk.
    if (this.socket.writable) this.socket.write(Buffer.from(data));
  }

  /** Resolves at the next `wake`. */
  waitForData(): Promise<void> {
    return new Promise((resolve) => {
      this.onData = resolve;
    });
  }

  wake(): void {
    this.onData?.();
    this.onData = undefined;
  }

  /** Undefined until a complete message has arrived. */
  takeMessage(): Uint8Array | undefined {
    return this.isStarted ? this.takeBytes(1) : this.takeStartUpMessage();
  }

  private takeStartUpMessage(): Uint8Array | undefined {
    while (this.buffer.length >= 8) {
      const code = this.buffer.readInt32BE(4);
      if (code === CANCEL_REQUEST) {
        // PGlite cannot cancel a running statement, so the request is dropped.
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
