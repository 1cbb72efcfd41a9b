import { execFileSync } from "node:child_process";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A TCP proxy on loopback in front of a server. It can cut connections, or stall them like a lost host. */
export class BreakableLine {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: "up" | "cut" | "stalled" = "up";
  port = 0;

  private constructor(targetPort: number, targetHost: string) {
    this.#server = createServer((near) => {
      this.#track(near);
      if (this.#state === "cut") {
        near.destroy();
        return;
      }
      const far = connect(targetPort, targetHost);
      this.#track(far);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("data", (chunk) => {
          if (this.#state === "up") to.write(chunk);
        });
        from.on("end", () => to.end());
        from.on("close", () => to.destroy());
      }
    });
  }

  static async to(
    targetPort: number,
    targetHost = "127.0.0.1",
    bind = "127.0.0.1",
  ): Promise<BreakableLine> {
    const line = new BreakableLine(targetPort, targetHost);
    await new Promise<void>((resolve) => line.#server.listen(0, bind, resolve));
    line.port = (line.#server.address() as { port: number }).port;
    return line;
  }

  /** Resets all connections at once and refuses new ones. */
  cut(): void {
    this.#state = "cut";
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Keeps connections open but passes no data, so that only a timeout detects it. */
  stall(): void {
    this.#state = "stalled";
  }

  /** Works again. Stalled connections have lost data, so they end. */
  restore(): void {
    if (this.#state === "stalled") for (const socket of this.#sockets) socket.destroy();
    this.#state = "up";
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

export function unplugContainer(network: string, container: string): void {
  execFileSync("docker", ["network", "disconnect", "--force", network, container], {
    stdio: "ignore",
  });
}

export function plugContainer(network: string, container: string, alias?: string): void {
  const aliases = alias ? ["--alias", alias] : [];
  execFileSync("docker", ["network", "connect", ...aliases, network, container], {
    stdio: "ignore",
  });
}
