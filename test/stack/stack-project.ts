import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { parse, stringify } from "yaml";
import { docker } from "../contract/docker-cli.ts";
import { copyProject } from "../support/copy-project.ts";
import { freePort } from "../support/free-port.ts";
import type { OwnGroup } from "../support/run-and-kill.ts";
import { fixtureBase } from "../support/server-image.ts";

const checkout = join(import.meta.dirname, "..", "..");

export interface Ended {
  code: number | null;
  stdout: string;
  /** stdout and stderr in the order of their output. */
  all: string;
}

/**
 * A copy of the project with one stack of containers. It uses the shipped stack file and the base image of
 * the fixture.
 */
export class StackProject {
  readonly root = mkdtempSync(join(tmpdir(), "pgstead-stack-"));
  readonly stack: string;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  readonly baseImage: string;
  /** The output of all commands, which a test searches for secrets. */
  printed = "";

  private constructor(kind: "dev" | "prod", port: number, major: string) {
    this.baseImage = fixtureBase(major);
    this.stack = `${kind}-${randomBytes(3).toString("hex")}`;
    this.port = port;
    const { PGSTEAD_STACK, PULUMI_CONFIG_PASSPHRASE_FILE, ...env } = process.env;
    const state = join(this.root, "state");
    mkdirSync(state);
    this.env = {
      ...env,
      PULUMI_BACKEND_URL: `file://${state}`,
      PULUMI_CONFIG_PASSPHRASE: "for-the-test",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    };
  }

  static async create(kind: "dev" | "prod", major = "18"): Promise<StackProject> {
    const project = new StackProject(kind, await freePort(), major);
    copyProject(project.root);
    const shipped = readFileSync(join(checkout, `Pulumi.${kind}.yaml`), "utf8");
    project.write(parse(shipped).config);
    project.configure("pgstead:port", project.port);
    project.configurePostgres({
      ...(major !== "18" && { version: major }),
      baseImage: project.baseImage,
      pgvector: { from: "package" },
    });
    return project;
  }

  get stackFile(): string {
    return join(this.root, `Pulumi.${this.stack}.yaml`);
  }

  configure(key: string, value: unknown): void {
    this.write({ ...this.config(), [key]: value });
  }

  configurePostgres(values: Record<string, unknown>): void {
    this.configure("pgstead:postgres", { ...this.config()["pgstead:postgres"], ...values });
  }

  /** Writes the file of the example application's stack, which has this stack's name. */
  exampleConfig(config: Record<string, unknown>): void {
    const file = join(this.root, "examples", "app", `Pulumi.${this.stack}.yaml`);
    writeFileSync(file, stringify({ config }));
  }

  /** Changes the program: adds arguments of `DockerPostgres`, as source text. */
  program(more: string): void {
    const file = "stacks/docker.ts";
    const shipped = readFileSync(join(checkout, file), "utf8");
    const begin = 'new DockerPostgres("postgres", {\n';
    if (!shipped.includes(begin)) throw new Error(`${file} lacks the line: ${begin}`);
    const changed = shipped.replace(begin, `${begin}    ${more}\n`);
    writeFileSync(join(this.root, file), changed);
  }

  migration(name: string, sql: string): void {
    writeFileSync(join(this.root, "migrations", `${name}.sql`), sql);
  }

  pgstead(args: string[], options: RunOptions = {}): Promise<Ended> {
    const command = [join(this.root, "dist", "pgstead.cjs"), ...args, "--stack", this.stack];
    return this.run(process.execPath, command, options);
  }

  /** Runs plain Pulumi, after the command from the documentation that sets the environment. */
  pulumi(line: string, stdin = ""): Promise<Ended> {
    const script = `eval "$(node dist/pgstead.cjs env --stack ${this.stack})" && exec pulumi ${line} --stack ${this.stack}`;
    return this.run("sh", ["-c", script], { stdin });
  }

  run(program: string, args: string[], options: RunOptions = {}): Promise<Ended> {
    const child = spawn(program, args, {
      cwd: this.root,
      env: { ...this.env, ...options.env },
      stdio: "pipe",
      timeout: 480_000,
      detached: options.ownGroup ?? false,
      ...(options.uid && { uid: options.uid }),
    });
    if (child.pid) options.onStart?.(child.pid);
    child.stdin.end(options.stdin ?? "");
    const ended: Ended = { code: null, stdout: "", all: "" };
    child.stdout.on("data", (data) => {
      ended.stdout += data;
      ended.all += data;
    });
    child.stderr.on("data", (data) => {
      ended.all += data;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        this.printed += ended.all;
        resolve({ ...ended, code });
      });
    });
  }

  /** The outputs with secrets in clear text. This output is not searched for secrets. */
  async outputs(): Promise<Record<string, string | null>> {
    const before = this.printed;
    const { stdout } = await this.pgstead(["outputs", "--json", "--show-secrets"]);
    this.printed = before;
    return JSON.parse(stdout);
  }

  /** Runs one statement as the application, from this machine. */
  async asApplication(sql: string): Promise<unknown[][]> {
    const { hostUrl } = await this.outputs();
    const client = new pg.Client({ connectionString: hostUrl!, connectionTimeoutMillis: 10_000 });
    await client.connect();
    try {
      return (await client.query({ text: sql, rowMode: "array" })).rows;
    } finally {
      await client.end();
    }
  }

  /** Runs one statement as the superuser. */
  asSuperuser(sql: string): string {
    const psql = ["psql", "-U", "postgres", "-d", "app", "-AtXqc", sql];
    return docker("exec", "-u", "postgres", `${this.stack}-postgres`, ...psql);
  }

  remove(): void {
    const names = (...args: string[]) =>
      docker(...args)
        .split("\n")
        .filter((name) => name.startsWith(`${this.stack}-`));
    for (const name of names("ps", "-a", "--format", "{{.Names}}")) docker("rm", "-fv", name);
    for (const name of names("network", "ls", "--format", "{{.Name}}"))
      docker("network", "rm", name);
    for (const name of names("volume", "ls", "-q")) docker("volume", "rm", "-f", name);
    for (const name of names("images", "--format", "{{.Repository}}:{{.Tag}}")) {
      docker("rmi", "-f", name);
    }
    rmSync(this.root, { recursive: true, force: true });
  }

  // biome-ignore lint/suspicious/noExplicitAny: the stack's file can have any content.
  private config(): Record<string, any> {
    return parse(readFileSync(this.stackFile, "utf8")).config;
  }

  private write(config: Record<string, unknown>): void {
    // Pulumi stores the salt of the passphrase in the same file.
    const salt = /^encryptionsalt:.*\n/m.exec(this.readFile())?.[0] ?? "";
    writeFileSync(this.stackFile, salt + stringify({ config }));
  }

  private readFile(): string {
    try {
      return readFileSync(this.stackFile, "utf8");
    } catch {
      return "";
    }
  }
}

interface RunOptions extends Partial<OwnGroup> {
  env?: NodeJS.ProcessEnv;
  stdin?: string;
  /** Run the command as another user. */
  uid?: number;
}
