import { existsSync } from "node:fs";
import { join } from "node:path";
import { mistake } from "../operate/error.ts";
import type { Settings } from "../operate/settings.ts";
import type { DockerStack } from "./stack/docker/docker-stack.ts";

export interface GlobalOptions {
  stack?: string;
  settings?: string;
  json?: boolean;
  yes?: boolean;
  allowUnreachable?: boolean;
}

/** Thrown instead of settings: the verb runs where the database is, inside the stack's agent. */
export class RunsInAgent extends Error {}

/** What every verb may ask for: which stack, its settings, and how to speak to the caller. */
export class Context {
  readonly json: boolean;
  /** Asked questions count as answered with yes. */
  readonly yes: boolean;
  private readonly options: GlobalOptions;
  /** Read once, for they may come from standard input. */
  private read: Settings | undefined;

  constructor(options: GlobalOptions) {
    this.options = options;
    this.json = options.json ?? false;
    this.yes = options.yes ?? false;
  }

  private get givenSettings(): string | undefined {
    return this.options.settings ?? process.env.PGSTEAD_SETTINGS;
  }

  /** The folder of `Pulumi.yaml`, from wherever below it the command was typed. */
  async root(): Promise<string> {
    const { findRoot } = await import("./root.ts");
    return findRoot();
  }

  async stack(): Promise<string> {
    // In the agent container there is no project, only the settings of its one stack.
    if (this.givenSettings && !this.options.stack) return (await this.settings()).stack;
    const { resolveStack } = await import("./root.ts");
    return resolveStack(this.options.stack);
  }

  /**
   * The settings that the last `up` wrote for the stack. Where they lie in a container, the verb goes
   * there: whatever a verb does before this call, it does twice.
   */
  async settings(): Promise<Settings> {
    const declared = await this.dockerStack();
    if (declared) {
      const { isRunning, settingsWithoutServer } = await import("./stack/docker/docker-stack.ts");
      if (await isRunning(declared, declared.agent)) throw new RunsInAgent();
      if (this.options.allowUnreachable) return settingsWithoutServer(declared);
      const { notRunning } = await import("./stack/docker/docker-stack.ts");
      throw await notRunning(declared, declared.agent);
    }
    const { readSettings } = await import("../operate/settings.ts");
    this.read ??= readSettings(await this.settingsFile());
    return this.read;
  }

  /** For what is written into this checkout, wherever the database is. */
  async checkoutSettings(): Promise<Settings> {
    const declared = await this.dockerStack();
    if (!declared) return this.settings();
    const { settingsWithoutServer } = await import("./stack/docker/docker-stack.ts");
    const settings = settingsWithoutServer(declared);
    const folder = join(await this.root(), declared.migrations);
    return { ...settings, migrations: { ...settings.migrations, folder } };
  }

  /** The stack as its file declares it, if its database runs in containers and we stand outside. */
  async dockerStack(): Promise<DockerStack | undefined> {
    if (this.givenSettings) return undefined;
    const { readDockerStack } = await import("./stack/docker/docker-stack.ts");
    return readDockerStack(await this.root(), await this.stack());
  }

  async settingsFile(): Promise<string> {
    if (this.givenSettings) return this.givenSettings;
    const stack = await this.stack();
    const file = join(await this.root(), ".pgstead", stack, "settings.json");
    if (!existsSync(file)) {
      throw mistake(
        `stack "${stack}" has not been brought up here; run "pgstead up --stack ${stack}"`,
      );
    }
    return file;
  }

  /** The result of a verb: JSON for programs, or the text for people. */
  print(result: unknown, text: string | (() => string)): void {
    const shown = this.json
      ? JSON.stringify(result, null, 2)
      : typeof text === "function"
        ? text()
        : text;
    if (shown !== "") process.stdout.write(`${shown}\n`);
  }

  /** Progress and remarks: always on stderr, so that stdout stays the result. */
  note(line: string): void {
    process.stderr.write(`${line}\n`);
  }
}
