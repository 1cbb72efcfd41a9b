import { createServer, type Server, type Socket } from "node:net";
import pg from "pg";
import type { Settings } from "../../operate/settings.ts";
import { freePort } from "./free-port.ts";

export interface Pooler {
  port: number;
  close(): Promise<void>;
}

interface PoolerOptions {
  /** Databases that are pooled by transaction; a client of another one keeps its session. */
  byTransaction: (database: string) => boolean;
  /** Which free session a transaction gets: the one used last, or the one unused for longest. */
  order: "last used first" | "in turn";
}

const STARTUP = 196608;
const IDLE = "I".charCodeAt(0);
const READY = "Z".charCodeAt(0);
const TERMINATE = "X".charCodeAt(0);

/** Stands for a pooler such as PgBouncer: it logs in itself, and announces an invented process id. */
export async function startPooler(
  { database: { host, port, user } }: Settings,
  password: string,
  { byTransaction, order }: PoolerOptions,
): Promise<Pooler> {
  const free = new Map<string, Session[]>();
  const sessions = new Set<Session>();
  const sockets = new Set<Socket>();
  let invented = 1_000_000;

  /** The pool has three sessions of a database from the first use on. */
  async function acquire(database: string): Promise<Session> {
    const pool = free.get(database) ?? [];
    if (free.has(database)) {
      const session = order === "in turn" ? pool.shift() : pool.pop();
      return session ?? open(database);
    }
    free.set(database, pool);
    for (let count = 0; count < 3; count++) pool.push(await open(database));
    return acquire(database);
  }

  async function open(database: string): Promise<Session> {
    const client = new pg.Client({ host, port, user, password, database });
    client.on("error", () => {});
    await client.connect();
    const session = new Session(client);
    sessions.add(session);
    return session;
  }

  function serve(socket: Socket, database: string): void {
    let session: Session | undefined;
    let taking = Promise.resolve();
    const release = () => {
      if (!session) return;
      session.onData = () => {};
      if (!session.isIdle) session.end();
      else free.get(database)?.push(session);
      session = undefined;
    };
    const forward = async (data: Buffer) => {
      if (data[0] === TERMINATE) return;
      session ??= await acquire(database);
      const { stream } = session;
      session.onData = (answer) => {
        socket.write(answer);
        if (session?.isIdle && byTransaction(database)) release();
      };
      session.isIdle = false;
      stream.write(data);
    };
    socket.on("data", (data) => {
      taking = taking.then(() => forward(data)).catch(() => void socket.destroy());
    });
    socket.on("close", () => void taking.then(release));
    socket.write(greet(++invented));
  }

  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (startup) => {
      if (startup.readInt32BE(4) !== STARTUP) return void socket.destroy();
      serve(socket, readParameter(startup, "database"));
    });
  });
  const own = await freePort();
  await new Promise<void>((resolve) => server.listen(own, "127.0.0.1", resolve));
  return {
    port: own,
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const session of sessions) session.end();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A connection to the real server, used below the protocol once `pg` has logged in. */
class Session {
  readonly stream: Socket;
  isIdle = true;
  onData: (data: Buffer) => void = () => {};
  private rest = Buffer.alloc(0);

  constructor(client: pg.Client) {
    this.stream = (client as unknown as { connection: { stream: Socket } }).connection.stream;
    this.stream.removeAllListeners("data");
    this.stream.on("error", () => {});
    this.stream.on("data", (data) => {
      this.isIdle = this.readStatus(data);
      this.onData(data);
    });
  }

  end(): void {
    this.stream.destroy();
  }

  /** True if the last message says that no transaction is open. */
  private readStatus(data: Buffer): boolean {
    this.rest = Buffer.concat([this.rest, data]);
    let isIdle = false;
    while (this.rest.length >= 5) {
      const length = 1 + this.rest.readInt32BE(1);
      if (this.rest.length < length) break;
      isIdle = this.rest[0] === READY && this.rest[5] === IDLE;
      this.rest = this.rest.subarray(length);
    }
    return isIdle && this.rest.length === 0;
  }
}

/** AuthenticationOk, BackendKeyData and ReadyForQuery. */
function greet(processId: number): Buffer {
  const numbers = (...values: number[]) => {
    const buffer = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => void buffer.writeInt32BE(value, 4 * i));
    return buffer;
  };
  return Buffer.concat([
    Buffer.from("R"),
    numbers(8, 0),
    Buffer.from("K"),
    numbers(12, processId, 7),
    Buffer.from("Z"),
    numbers(5),
    Buffer.from("I"),
  ]);
}

function readParameter(startup: Buffer, name: string): string {
  const words = startup.toString("utf8", 8).split("\0");
  return words[words.indexOf(name) + 1] as string;
}
