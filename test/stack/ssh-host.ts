import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../support/free-port.ts";

/** An ssh server on loopback with its own keys, so that this machine looks like a remote Docker host. */
export class SshHost {
  readonly address: string;
  /** A PATH whose `ssh` uses the host's key and the user's key, instead of `~/.ssh`. */
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
      // Each resource opens a connection. With the default of 10, sshd would refuse some at random.
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
    // The chroot of sshd's unprivileged process, which the service file normally creates.
    mkdirSync("/run/sshd", { recursive: true });
    this.#server = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", this.#file("sshd_config")], {
      stdio: "ignore",
    });
  }

  static async start(): Promise<SshHost> {
    const port = await freePort();
    const host = new SshHost(port);
    for (let tries = 0; !(await isListening(port)); tries++) {
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

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
    socket.setTimeout(1_000, () => socket.destroy());
  });
}
