import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with the next requests that match. */
export interface Fault {
  method: string;
  times: number;
  kind: "status" | "cut" | "truncate" | "corrupt" | "slow";
  status?: number;
  code?: string;
}

/** What reaches the bucket instead of what was sent. */
const DAMAGE: Partial<Record<Fault["kind"], (body: Buffer) => Buffer>> = {
  truncate: (body) => body.subarray(0, body.length / 2),
  corrupt: (body) => body.map((byte, at) => (at === body.length >> 1 ? byte ^ 1 : byte)) as Buffer,
};

/** Stands between the agent and the S3 fixture, on loopback, and breaks what it is told to. */
export async function startProxy(target: string) {
  const faults: Fault[] = [];
  const seen: string[] = [];
  const server = createServer((incoming, outgoing) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    const fault = faults.find((one) => one.method === incoming.method && one.times > 0);
    if (fault) fault.times--;
    if (fault?.kind === "status") return refuse(fault, incoming, outgoing);
    if (fault?.kind === "cut") {
      incoming.once("data", () => incoming.socket.destroy());
      return;
    }
    if (fault?.kind === "slow") {
      setTimeout(() => forward(target, incoming, outgoing), 3_000);
      return;
    }
    forward(target, incoming, outgoing, fault && DAMAGE[fault.kind]);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    seen,
    /** One fault at a time; none ends it. */
    fail: (...next: Fault[]) => {
      faults.splice(0, faults.length, ...next);
    },
    stop: () => server.close(),
  };
}

function refuse(
  { status = 500, code }: Fault,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
) {
  incoming.resume();
  incoming.once("end", () => {
    outgoing.writeHead(status, { "content-type": "application/xml" });
    outgoing.end(`<?xml version="1.0"?><Error><Code>${code ?? "InternalError"}</Code></Error>`);
  });
}

function forward(
  target: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  damage: (body: Buffer) => Buffer = (body) => body,
) {
  const body: Buffer[] = [];
  incoming.on("data", (chunk) => body.push(chunk));
  incoming.once("end", () => {
    const sent = damage(Buffer.concat(body));
    const { "transfer-encoding": _, ...headers } = incoming.headers;
    const upstream = request(
      `${target}${incoming.url}`,
      { method: incoming.method, headers: { ...headers, "content-length": String(sent.length) } },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    upstream.once("error", () => outgoing.destroy());
    upstream.end(sent);
  });
}
