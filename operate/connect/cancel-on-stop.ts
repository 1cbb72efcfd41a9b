import { createConnection } from "node:net";
import type { Client } from "pg";
import { stopSignal } from "../stop.ts";

const EVERY_MS = 1_000;
/** A server that does not react loses the connection, which it notices later. */
const TIMES = 3;
const CANCEL_REQUEST = 80877102;

/** While `use` runs, a stop of the process cancels what the server does for this client. */
export async function cancelOnStop<T>(client: Client, use: () => Promise<T>): Promise<T> {
  stopSignal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  let sent = 0;
  const cancel = () => {
    if (sent++ === TIMES) void client.end().catch(() => {});
    else {
      sendCancel(client);
      timer = setTimeout(cancel, EVERY_MS);
    }
  };
  stopSignal.addEventListener("abort", cancel, { once: true });
  try {
    return await use();
  } finally {
    clearTimeout(timer);
    stopSignal.removeEventListener("abort", cancel);
  }
}

/** On a connection of its own, as the protocol wants it. No answer comes. */
function sendCancel(client: Client): void {
  const { host, port } = client;
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
  const request = Buffer.alloc(16);
  request.writeInt32BE(request.length, 0);
  request.writeInt32BE(CANCEL_REQUEST, 4);
  request.writeInt32BE(processID ?? 0, 8);
  request.writeInt32BE(secretKey ?? 0, 12);
  const socket = host.startsWith("/")
    ? createConnection(`${host}/.s.PGSQL.${port}`)
    : createConnection(port, host);
  socket.on("error", () => {});
  socket.end(request);
  socket.resume();
}
