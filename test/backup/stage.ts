import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client } from "@aws-sdk/client-s3";
import { until } from "../support/until.ts";

const IMAGE = "pgstead-fixture/postgres:18-trixie";
/** The image's user postgres, who owns the socket and the backups. */
const UID = 999;

const docker = (...args: string[]) =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/** Missing where there is no engine; under CI that is a failure, not a reason to pass. */
export const canRun = Boolean(process.env.CI) || hasImage();

function hasImage(): boolean {
  return spawnSync("docker", ["image", "inspect", IMAGE], { stdio: "ignore" }).status === 0;
}

export interface Answer {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * A server and an agent as the stack has them: two containers that share a socket and nothing else.
 * The agent is on the host's network, to reach the S3 fixture on loopback.
 */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "pgstead-backup-"));
  readonly backups = join(this.folder, "backups");
  private readonly containers: string[] = [];
  private agent = "";
  useAgent(container: string): void {
    this.agent = container;
  }

  get agentId(): string {
    return this.agent;
  }
  server = "";

  static async start(settings: Record<string, unknown> = {}, agent: string[] = []): Promise<Stage> {
    const stage = new Stage();
    try {
      await stage.startServer();
      stage.write(settings);
      stage.startAgent(agent);
      return stage;
    } catch (error) {
      stage.stop();
      throw error;
    }
  }

  private constructor() {
    for (const name of ["socket", "backups", "files", "program"]) {
      mkdirSync(join(this.folder, name));
      chownSync(join(this.folder, name), UID, UID);
    }
    // The bundle alone: in a checkout it would compare itself with its sources.
    for (const file of ["pgstead.cjs", "aws-sdk.cjs"]) {
      copyFileSync(join("dist", file), join(this.folder, "program", file));
    }
    const start = '#!/bin/sh\nexec node /usr/local/lib/pgstead/pgstead.cjs "$@"\n';
    writeFileSync(join(this.folder, "program", "pgstead"), start, { mode: 0o755 });
  }

  private async startServer(): Promise<void> {
    this.server = this.run("--network", "none", "--env", "POSTGRES_HOST_AUTH_METHOD=trust", IMAGE);
    await this.untilAnswered();
    docker("exec", this.server, "createdb", "-U", "postgres", "app");
  }

  async startServerAgain(): Promise<void> {
    this.startAgain(this.server);
    await this.untilAnswered();
  }

  startAgain(container: string): void {
    docker("start", container);
  }

  private async untilAnswered(): Promise<void> {
    // Over TCP: the entrypoint's first, temporary server listens on the socket alone.
    const ready = ["psql", "-h", "127.0.0.1", "-U", "postgres", "-c", "select 1"];
    await until(
      () => spawnSync("docker", ["exec", this.server, ...ready]).status === 0,
      () => this.logs(this.server),
    );
  }

  private run(...args: string[]): string {
    const id = docker(
      ...["run", "--detach", "--label", "pgstead-test=backup"],
      ...["--volume", `${this.folder}/socket:/var/run/postgresql`, ...args],
    );
    this.containers.push(id);
    return id;
  }

  startAgent(options: string[] = [], command: string[] = ["sleep", "infinity"]): string {
    const [entrypoint, ...rest] = command as [string, ...string[]];
    this.agent = this.run(
      ...["--network", "host", "--user", "postgres", "--init", "--entrypoint", entrypoint],
      ...["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"],
      ...[
        "--security-opt",
        "no-new-privileges",
        "--env",
        "PGSTEAD_SETTINGS=/run/pgstead/settings.json",
      ],
      ...["--volume", `${this.folder}/files:/run/pgstead:ro`],
      ...["--volume", `${this.folder}/program:/usr/local/lib/pgstead:ro`],
      ...["--volume", `${this.folder}/program/pgstead:/usr/local/bin/pgstead:ro`],
      ...(options.some((one) => one.startsWith("/backups"))
        ? []
        : ["--volume", `${this.backups}:/backups`]),
      ...[...options, IMAGE, ...rest],
    );
    return this.agent;
  }

  /** The agent's settings; `backups` is merged into the usual ones. */
  write({ backups, ...settings }: { backups?: object } & Record<string, unknown> = {}): void {
    const written = {
      stack: "test",
      engine: "docker",
      database: {
        ...{ host: "/var/run/postgresql", port: 5432, name: "app", user: "migrator" },
        superuser: "postgres",
      },
      migrations: { folder: "/srv" },
      backups: { folder: "/backups", reserveMegabytes: 0, ...backups },
      ...settings,
    };
    writeFileSync(join(this.folder, "files", "settings.json"), JSON.stringify(written));
  }

  writeKey(accessKeyId = "fixture", secretAccessKey = "fixture"): string {
    return this.writeFile("s3.json", JSON.stringify({ accessKeyId, secretAccessKey }));
  }

  /** Returns its path in the agent. */
  writeFile(name: string, text: string): string {
    const path = join(this.folder, "files", name);
    // Nobody reads half of it.
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    return `/run/pgstead/${name}`;
  }

  /** `pgstead VERB` in the agent's container, as `docker exec` does it. */
  pgstead(...args: string[]): Promise<Answer> {
    return this.exec(this.agent, ["node", "/usr/local/lib/pgstead/pgstead.cjs", ...args]);
  }

  exec(container: string, command: string[], env: string[] = []): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const child = spawn("docker", ["exec", ...env, container, ...command]);
      const answer: Answer = { code: null, stdout: "", stderr: "" };
      child.stdout.on("data", (data) => {
        answer.stdout += data;
      });
      child.stderr.on("data", (data) => {
        answer.stderr += data;
      });
      child.once("error", reject);
      child.once("close", (code) => resolve({ ...answer, code }));
    });
  }

  inAgent(...command: string[]): Promise<Answer> {
    return this.exec(this.agent, command);
  }

  /** As the superuser; the first column of the first row. */
  async sql(text: string, database = "app"): Promise<string> {
    const { code, stdout, stderr } = await this.exec(this.server, [
      ...["psql", "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text],
    ]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  logs(container = this.agent): string {
    const { stdout, stderr } = spawnSync("docker", ["logs", container], { encoding: "utf8" });
    return stdout + stderr;
  }

  /** As `docker stop` does it. */
  stopOne(container: string): void {
    docker("stop", "--time", "20", container);
  }

  stop(): void {
    for (const id of this.containers) docker("rm", "--force", "--volumes", id);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The S3 fixture, and a client that may do everything. */
export function startS3(): { endpoint: string; client: S3Client } {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  const endpoint = execFileSync("test/fixture/s3", ["start"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  }).trim();
  const client = new S3Client({
    ...{ endpoint, region: "us-east-1", forcePathStyle: true },
    credentials: { accessKeyId: "fixture", secretAccessKey: "fixture" },
  });
  return { endpoint, client };
}
