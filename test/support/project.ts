import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyProject } from "./copy-project.ts";
import { freePort } from "./free-port.ts";

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
  /** Both, because Pulumi writes some messages to either stream. */
  all: string;
}

/** A copy of the project, with its own state, server and port. */
export class Project {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  port = 0;

  private constructor() {
    this.root = mkdtempSync(join(tmpdir(), "pgstead-project-"));
    const { PGSTEAD_STACK, PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE, ...env } = process.env;
    this.env = { ...env, PULUMI_HOME: join(this.root, ".pulumi-home"), PGCONNECT_TIMEOUT: "10" };
  }

  static async create(): Promise<Project> {
    const project = new Project();
    copyProject(project.root);
    project.port = await freePort();
    project.configure(`  pgstead:port: "${project.port}"\n`);
    return project;
  }

  /** Writes the stack's file, with these lines under `config:`. */
  configure(lines: string): void {
    const text = `config:\n  pgstead:engine: embedded\n${lines}`;
    writeFileSync(join(this.root, "Pulumi.local.yaml"), text);
  }

  get folder(): string {
    return join(this.root, ".pgstead", "local");
  }

  /** `pgstead ...` in the project; `onStart` gets the process id. */
  pgstead(args: string[], options: RunOptions = {}): Promise<Ended> {
    return this.run(process.execPath, [join(this.root, "dist", "pgstead.cjs"), ...args], options);
  }

  async run(program: string, args: string[], options: RunOptions = {}): Promise<Ended> {
    const child = spawn(program, args, {
      cwd: options.cwd ?? this.root,
      env: { ...this.env, ...options.env },
      stdio: "pipe",
      detached: options.ownGroup ?? false,
    });
    child.stdin.end(options.stdin ?? "");
    options.onStart?.(child.pid as number);
    const ended: Ended = { code: null, stdout: "", stderr: "", all: "" };
    child.stdout.on("data", (data) => {
      ended.stdout += data;
      ended.all += data;
    });
    child.stderr.on("data", (data) => {
      ended.stderr += data;
      ended.all += data;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ ...ended, code }));
    });
  }

  async remove(): Promise<void> {
    await this.pgstead(["down"]).catch(() => {});
    rmSync(this.root, { recursive: true, force: true });
  }
}

interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  stdin?: string;
  onStart?: (pid: number) => void;
  /** Start the command in a process group of its own, which a test can signal like a terminal. */
  ownGroup?: boolean;
}

export const makeFolder = (path: string) => mkdirSync(path, { recursive: true });
