import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

export interface Ended {
  code: number | null;
  /** stdout and stderr in the order of their output. */
  all: string;
}

interface ServerContainerArgs {
  image: string;
  /** More arguments of `docker run`. */
  options?: string[];
  command?: string[];
  /** Folder of the host for the data. @default - a volume of its own */
  folder?: string;
}

/** A container of a server's image with its data, for tests that need no stack. */
export class ServerContainer {
  readonly name = `pgstead-test-${randomBytes(4).toString("hex")}`;
  /** The mount: the name of a volume, or a folder. */
  readonly data: string;
  private readonly hasVolume: boolean;

  constructor({ image, options = [], command = [], folder }: ServerContainerArgs) {
    this.data = folder ?? this.name;
    this.hasVolume = folder === undefined;
    if (this.hasVolume) docker("volume", "create", this.data);
    const mount = ["-v", `${this.data}:/var/lib/postgresql`];
    docker("run", "-d", "--name", this.name, ...mount, ...options, image, ...command);
  }

  static removeImage(tag: string): void {
    spawnSync("docker", ["rmi", "-f", tag]);
  }

  async waitUntilReady(): Promise<void> {
    for (let tries = 0; tries < 240; tries++) {
      const probe = ["exec", this.name, "pg_isready", "-q", "-h", "127.0.0.1"];
      if (spawnSync("docker", probe).status === 0) return;
      await sleep(250);
    }
    throw new Error(this.logs());
  }

  /** Runs SQL as the superuser over the socket. */
  psql(sql: string, database = "postgres"): string {
    return docker(...this.psqlCommand(database), sql);
  }

  startPsql(sql: string, database = "postgres"): Promise<Ended> {
    const child = spawn("docker", [...this.psqlCommand(database), sql]);
    let all = "";
    child.stdout.on("data", (data) => {
      all += data;
    });
    child.stderr.on("data", (data) => {
      all += data;
    });
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, all })));
  }

  logs(): string {
    const { stdout, stderr } = spawnSync("docker", ["logs", this.name], { encoding: "utf8" });
    return stdout + stderr;
  }

  remove(): void {
    spawnSync("docker", ["rm", "-fv", this.name]);
    if (this.hasVolume) spawnSync("docker", ["volume", "rm", "-f", this.data]);
  }

  private psqlCommand(database: string): string[] {
    const psql = ["psql", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-AtXqc"];
    return ["exec", "-u", "postgres", this.name, ...psql];
  }
}

/** Returns stdout of the docker client, or throws an error with its stderr. */
export function docker(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("docker", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`docker ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
