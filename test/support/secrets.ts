import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What `/proc` has shown of one process. */
interface SeenProcess {
  command: string;
  environment: string;
  inContainer: boolean;
}

/** Collects command lines and environments of all processes of this machine, containers included. */
export class ProcessWatch {
  private readonly child;
  private text = "";

  private constructor() {
    const script = join(import.meta.dirname, "watch-processes.cjs");
    this.child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdout.setEncoding("utf8").on("data", (data) => {
      this.text += data;
    });
  }

  /** Resolves once it has looked for the first time. */
  static async start(): Promise<ProcessWatch> {
    const watch = new ProcessWatch();
    await new Promise((resolve) => watch.child.stdout.once("data", resolve));
    return watch;
  }

  /** What it has seen so far. */
  get seen(): SeenProcess[] {
    const complete = this.text.slice(0, this.text.lastIndexOf("\n") + 1);
    return complete
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  async stop(): Promise<SeenProcess[]> {
    const closed = new Promise((resolve) => this.child.once("close", resolve));
    this.child.stdin.end();
    await closed;
    return this.seen;
  }
}

/** A person gives these to the command in the environment, and Pulumi hands them to the program. */
const GIVEN = ["PULUMI_CONFIG", "PULUMI_CONFIG_PASSPHRASE"];

/** As text to search. What a person has given in the environment is left out, outside of containers. */
export const renderProcesses = (seen: SeenProcess[]): string =>
  seen
    .map(({ command, environment, inContainer }) => {
      const variables = environment.split("\0");
      const shown = variables.filter((each) => inContainer || !GIVEN.includes(each.split("=")[0]!));
      return [command.replaceAll("\0", " "), ...shown].join("\n");
    })
    .join("\n\n");

/** The name of each secret with the places that show it: `password of app in logs`. */
export function findSecrets(
  secrets: Record<string, string>,
  places: Record<string, string>,
): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) => {
    const forms = [secret, Buffer.from(secret).toString("base64"), encodeURIComponent(secret)];
    return Object.entries(places)
      .filter(([, text]) => forms.some((form) => text.includes(form)))
      .map(([place]) => `${name} in ${place}`);
  });
}

/** The content of every file below, as text. Links are not followed. */
export function readFolder(folder: string, skip: string[] = []): string {
  return readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !skip.includes(name))
    .map((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return readFolder(path);
      return entry.isFile() ? readFileSync(path, "latin1") : "";
    })
    .join("\n");
}
