import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * A second Docker engine, which a test may kill, because all suites share the first. It does not change the
 * firewall, and uses the existing default bridge: with `--bridge none` it would remove the bridge of the
 * first engine. Its own networks and loopback ports work.
 */
export class OwnEngine {
  readonly address: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "pgstead-engine-"));
  #engine: ChildProcess | undefined;

  private constructor() {
    this.address = `unix://${this.#folder}/engine.sock`;
    for (const name of ["root", "exec"]) mkdirSync(join(this.#folder, name));
  }

  static async start(): Promise<OwnEngine> {
    const engine = new OwnEngine();
    await engine.boot();
    return engine;
  }

  async boot(): Promise<void> {
    const file = (name: string) => join(this.#folder, name);
    const folders = ["--data-root", file("root"), "--exec-root", file("exec")];
    const alone = ["--iptables=false", "--ip-forward=false", "--ip-masq=false"];
    const where = ["--pidfile", file("pid"), "--host", this.address];
    this.#engine = spawn("dockerd", [...folders, ...where, ...alone], { stdio: "ignore" });
    for (let tries = 0; this.#ask("version").status !== 0; tries++) {
      if (tries === 300) throw new Error("the second engine did not start");
      await sleep(200);
    }
  }

  docker(...args: string[]): string {
    const { status, stdout, stderr } = this.#ask(...args);
    if (status !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** Copies an image from the shared engine. */
  copyImage(image: string): void {
    const copy = `docker save "$1" | docker --host "$2" load --quiet`;
    execFileSync("sh", ["-c", copy, "sh", image, this.address], { stdio: "ignore" });
  }

  /** Kills all processes at once, like a power failure. */
  async losePower(): Promise<void> {
    const pids = this.#processes();
    for (const pid of pids) killNow(pid);
    for (let tries = 0; this.#processes().length > 0; tries++) {
      if (tries === 100) throw new Error("processes of the second engine are still running");
      await sleep(100);
    }
    // These files are on a tmpfs of a real host, so a boot removes them.
    for (const name of ["pid", "exec/containerd/containerd.pid"]) {
      rmSync(join(this.#folder, name), { force: true });
    }
  }

  async remove(): Promise<void> {
    for (const id of this.#ask("ps", "-aq").stdout.split("\n").filter(Boolean)) {
      this.#ask("rm", "-fv", id);
    }
    await this.losePower();
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    const ours = mounts
      .map((line) => line.split(" ")[1] ?? "")
      .filter((at) => at.startsWith(this.#folder));
    for (const at of ours.reverse()) spawnSync("umount", ["-l", at]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #ask(...args: string[]) {
    return spawnSync("docker", ["--host", this.address, ...args], { encoding: "utf8" });
  }

  /** The engine, its helper processes, and the processes in its containers. */
  #processes(): number[] {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const isOurs = (pid: string) => {
      const [, ...words] = read(pid, "cmdline").split("\0");
      const names = words.some((word) => word.startsWith(`${this.#folder}/`));
      return names && /dockerd|containerd|docker-proxy/.test(read(pid, "comm"));
    };
    const own = new Set(pids.filter(isOurs));
    if (this.#engine?.pid) own.add(String(this.#engine.pid));
    // The children must be found before a parent ends, and their children too.
    for (let grew = true; grew; ) {
      const found = pids.filter((pid) => !own.has(pid) && own.has(parentOf(pid)));
      for (const pid of found) own.add(pid);
      grew = found.length > 0;
    }
    return [...own].filter((pid) => read(pid, "comm") !== "" && stateOf(pid) !== "Z").map(Number);
  }
}

function read(pid: string, what: string): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, "utf8");
  } catch {
    return "";
  }
}

/** The fields after the process's name, which may contain any character. */
const statOf = (pid: string) =>
  read(pid, "stat")
    .replace(/^.*\) /s, "")
    .split(" ");
const stateOf = (pid: string) => statOf(pid)[0];
const parentOf = (pid: string) => statOf(pid)[1] ?? "";

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended together with a process that was killed before.
  }
}
