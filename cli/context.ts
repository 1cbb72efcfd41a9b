import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { mistake } from "../operate/error.ts";
import type { Settings } from "../operate/settings.ts";
import type { DockerStack } from "./stack/docker/docker-stack.ts";

export interface GlobalOptions {
  stack?: string;
  settings?: string;
  json?: boolean;
  yes?: boolean;
}

export interface Speech {
  /** Where results go. @default - stdout */
  out?: Writable;
  /** Applied to each line and result: in the agent, paths of the person's side replace its own. */
  rewrite?: (text: string) => string;
}

/** What every verb may ask for: which stack, its settings, and how to speak to the caller. */
export class Context {
  readonly json: boolean;
  /** Asked questions count as answered with yes. */
  readonly yes: boolean;
  private readonly options: GlobalOptions;
  private readonly out: Writable;
  private readonly rewrite: (text: string) => string;
  /** Read once, because they may come from standard input. */
  private read: Settings | undefined;
  private declared: DockerStack | undefined | "unread" = "unread";

  constructor(options: GlobalOptions, { out, rewrite }: Speech = {}) {
    this.options = options;
    this.json = options.json ?? false;
    this.yes = options.yes ?? false;
    this.out = out ?? process.stdout;
    this.rewrite = rewrite ?? ((text) => text);
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

  /** The settings that the last `up` wrote for the stack, for verbs that reach its database from here. */
  async settings(): Promise<Settings> {
    if (!this.read) {
      const { readSettings } = await import("../operate/settings.ts");
      this.read = readSettings(await this.settingsFile());
    }
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

  /** A verb that can do without the database goes on with the files of this checkout. */
  async goOnWithoutDatabase(): Promise<void> {
    this.read = await this.checkoutSettings();
  }

  /** The stack as its file declares it, if its database runs in containers and we stand outside. */
  async dockerStack(): Promise<DockerStack | undefined> {
    if (this.declared === "unread") {
      const { readDockerStack } = await import("./stack/docker/docker-stack.ts");
      this.declared = this.givenSettings
        ? undefined
        : readDockerStack(await this.root(), await this.stack());
    }
    return this.declared;
  }

  async settingsFile(): Promise<string> {
    if (this.givenSettings) return this.givenSettings;
    const stack = await this.stack();
    const declared = await this.dockerStack();
    if (declared) {
      throw mistake(
        `this runs in the containers of stack "${stack}", not here: docker exec ${declared.agent} pgstead ...`,
      );
    }
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
    if (shown !== "") this.out.write(`${this.rewrite(shown)}\n`);
  }

  /** Progress and remarks: always on stderr, so that stdout stays the result. */
  note(line: string): void {
    process.stderr.write(`${this.rewrite(line)}\n`);
  }
}
