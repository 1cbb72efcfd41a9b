import http from "node:http";

export interface S3Fault {
  /** Method of the requests that fail. @default - every method */
  method?: string;
  /** Pattern of the URLs that fail. @default - every URL */
  path?: RegExp;
  /** How many requests fail. @default - all until `clear` */
  times?: number;
  /**
   * An S3 error code with its status; `reset` closes the connection before any answer; `lost-answer` runs
   * the request and drops the answer; `truncate` sends half of the answer.
   */
  with: { status: number; code: string } | "reset" | "lost-answer" | "truncate";
}

/** A proxy in front of an S3 endpoint that injects faults. */
export class FaultyS3 {
  readonly #server: http.Server;
  #faults: (S3Fault & { left: number })[] = [];
  /** How many requests have failed. */
  hits = 0;
  url = "";

  private constructor(target: string) {
    this.#server = http.createServer((request, response) =>
      this.#serve(new URL(target), request, response),
    );
  }

  static async before(target: string): Promise<FaultyS3> {
    const proxy = new FaultyS3(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${(proxy.#server.address() as { port: number }).port}`;
    return proxy;
  }

  inject(fault: S3Fault): void {
    this.#faults.push({ ...fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.#faults = [];
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #faultFor(request: http.IncomingMessage): S3Fault | undefined {
    const fault = this.#faults.find(
      ({ left, method, path }) =>
        left > 0 &&
        (!method || method === request.method) &&
        (!path || path.test(request.url ?? "")),
    );
    if (!fault) return undefined;
    fault.left--;
    this.hits++;
    return fault;
  }

  #serve(target: URL, request: http.IncomingMessage, response: http.ServerResponse): void {
    const fault = this.#faultFor(request)?.with;
    if (fault === "reset") {
      request.socket.resetAndDestroy();
      return;
    }
    if (typeof fault === "object") {
      request.resume();
      request.on("end", () => {
        response.writeHead(fault.status, { "Content-Type": "application/xml" });
        response.end(
          `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>injected</Message></Error>`,
        );
      });
      return;
    }
    const { method, url: path, headers } = request;
    const onward = http.request(
      { host: target.hostname, port: target.port, method, path, headers },
      (answer) => {
        if (fault === "lost-answer") {
          answer.resume();
          answer.on("end", () => request.socket.resetAndDestroy());
          return;
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        if (fault === "truncate") {
          const half = Math.floor(Number(answer.headers["content-length"] ?? 2) / 2);
          answer.once("data", (chunk: Buffer) =>
            response.write(chunk.subarray(0, half), () => request.socket.destroy()),
          );
          return;
        }
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  }
}
