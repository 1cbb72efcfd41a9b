import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with the next requests that match. */
export interface Fault {
  method: string;
  times: number;
  kind: "status" | "cut" | "truncate";
  status?: number;
  code?: string;
}

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
    forward(target, incoming, outgoing, fault?.kind === "truncate");
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
  truncate: boolean,
) {
  const body: Buffer[] = [];
  incoming.on("data", (chunk) => body.push(chunk));
  incoming.once("end", () => {
    const whole = Buffer.concat(body);
    const sent = truncate ? whole.subarray(0, whole.length / 2) : whole;
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
