import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/project.ts";

/** An ssh server on loopback with keys of its own: this machine as if it were a Docker host elsewhere. */
export class SshHost {
  readonly address: string;
  /** PATH whose `ssh` knows the host's key and the user's, as `~/.ssh` would. */
  readonly path: string;
  readonly #folder: string;
  readonly #server: ChildProcess;

  private constructor(port: number) {
    this.address = `ssh://${userInfo().username}@127.0.0.1:${port}`;
    this.#folder = mkdtempSync(join(tmpdir(), "pgstead-ssh-"));
    for (const key of ["host", "user"]) this.#makeKey(key);
    const server = [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${this.#file("host")}`,
      `AuthorizedKeysFile ${this.#file("user.pub")}`,
      "StrictModes no",
      "PermitRootLogin prohibit-password",
      "PidFile none",
      // One connection a resource; the usual ten at once would be turned away at random.
      "MaxStartups 200",
    ];
    writeFileSync(this.#file("sshd_config"), `${server.join("\n")}\n`);
    const client = [
      `IdentityFile ${this.#file("user")}`,
      `UserKnownHostsFile ${this.#file("known_hosts")}`,
      "StrictHostKeyChecking accept-new",
      "LogLevel ERROR",
    ];
    writeFileSync(this.#file("config"), `${client.join("\n")}\n`);
    const ssh = execFileSync("sh", ["-c", "command -v ssh"], { encoding: "utf8" }).trim();
    const wrapper = `#!/bin/sh\nexec ${ssh} -F ${this.#file("config")} "$@"\n`;
    writeFileSync(this.#file("ssh"), wrapper, { mode: 0o755 });
    this.path = [this.#folder, process.env.PATH].join(delimiter);
    // Where the server keeps its unprivileged half; a service file would have made it.
    mkdirSync("/run/sshd", { recursive: true });
    this.#server = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", this.#file("sshd_config")], {
      stdio: "ignore",
    });
  }

  static async start(): Promise<SshHost> {
    const port = await freePort();
    const host = new SshHost(port);
    for (let tries = 0; !(await answers(port)); tries++) {
      if (tries === 50) throw new Error(`sshd did not start on port ${port}`);
      await sleep(100);
    }
    return host;
  }

  stop(): void {
    this.#server.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(name: string): string {
    return join(this.#folder, name);
  }

  #makeKey(name: string): void {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", this.#file(name)]);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
    socket.setTimeout(1_000, () => socket.destroy());
  });
}
