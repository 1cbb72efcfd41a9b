import http from "node:http";
import { homedir } from "node:os";
import type { Readable } from "node:stream";

import type { Properties } from "../base/properties.ts";
import { text } from "../base/properties.ts";
import { connectOverSsh } from "./ssh-connection.ts";

// biome-ignore lint/suspicious/noExplicitAny: the engine's answers have hundreds of shapes.
type Answer = any;

export class EngineError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(`Error response from daemon: ${message}`);
    this.status = status;
  }
}

/** The engine's HTTP API over a unix socket, TCP or ssh. It needs no client program except ssh. */
export class Engine {
  apiVersion = "1.24";
  readonly #host: string;

  constructor(host: string) {
    this.#host = host;
  }

  #transport(): http.RequestOptions {
    const url = new URL(this.#host);
    if (url.protocol === "unix:") return { socketPath: url.pathname };
    if (url.protocol !== "ssh:") return { host: url.hostname, port: Number(url.port || 2375) };
    return { createConnection: () => connectOverSsh(url) as never };
  }

  async ping(): Promise<void> {
    const answer = await this.send("GET", "/_ping", undefined, {}, "");
    answer.resume();
    this.apiVersion = text(answer.headers["api-version"] as string) || this.apiVersion;
  }

  send(
    method: string,
    path: string,
    body?: Buffer | Readable | string,
    headers: http.OutgoingHttpHeaders = {},
    prefix = `/v${this.apiVersion}`,
  ): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = {
        ...this.#transport(),
        method,
        path: prefix + path,
        headers: { Host: "docker", ...headers },
      };
      const request = http.request(options, (answer) => {
        if ((answer.statusCode ?? 500) < 400) resolve(answer);
        else
          collect(answer).then(
            (raw) => reject(new EngineError(answer.statusCode!, messageOf(raw))),
            reject,
          );
      });
      request.on("error", (error) => {
        reject(new Error(`Cannot connect to the Docker daemon at ${this.#host}: ${error.message}`));
      });
      if (body && typeof body === "object" && "pipe" in body) body.pipe(request);
      else request.end(body);
    });
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const raw = body === undefined ? undefined : JSON.stringify(body);
    const headers = raw
      ? { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(raw) }
      : {};
    const answer = await collect(await this.send(method, path, raw, headers));
    return answer ? JSON.parse(answer) : undefined;
  }

  get(path: string): Promise<Answer> {
    return this.call("GET", path);
  }

  /** Returns null if the engine answers 404. */
  async find(path: string): Promise<Answer | null> {
    return this.get(path).catch((error) => {
      if (error instanceof EngineError && error.status === 404) return null;
      throw error;
    });
  }
}

export async function collect(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function messageOf(raw: string): string {
  try {
    return JSON.parse(raw).message;
  } catch {
    return raw.trim();
  }
}

let engine: Engine | undefined;

export function connectedEngine(): Engine {
  if (!engine) throw new Error("the docker provider was not configured");
  return engine;
}

export async function connect(config: Properties): Promise<void> {
  const given = text(config.host ?? process.env.DOCKER_HOST);
  const home = homedir();
  const hosts = given
    ? [given]
    : [
        "/var/run/docker.sock",
        `${home}/.docker/run/docker.sock`,
        `${home}/.docker/desktop/docker.sock`,
      ].map((path) => `unix://${path}`);
  for (const host of hosts) {
    const candidate = new Engine(host);
    const answers = await candidate.ping().then(
      () => true,
      () => false,
    );
    if (!answers) continue;
    engine = candidate;
    return;
  }
  throw new Error("failed to connect to any docker daemon");
}
