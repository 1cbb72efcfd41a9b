import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { mistake } from "../../operate/error.ts";

interface StackFile {
  secretsprovider?: string;
  config?: Record<string, unknown>;
}

/** `Pulumi.STACK.yaml`: what makes a stack known, before there is any state of it. */
export function readStackFile(root: string, stack: string): StackFile {
  const name = `Pulumi.${stack}.yaml`;
  const file = join(root, name);
  if (!existsSync(file)) {
    const known = readdirSync(root).flatMap(
      (entry) => /^Pulumi\.(.+)\.yaml$/.exec(entry)?.[1] ?? [],
    );
    throw mistake(
      `there is no stack "${stack}" here: ${name} is missing; known stacks: ${known.join(", ")}`,
    );
  }
  const document = parseDocument(readFileSync(file, "utf8"));
  const [error] = document.errors;
  // Pulumi's own message names neither the file nor what to look for.
  if (error) throw mistake(`${name} is not valid YAML: ${error.message.trim()}`);
  return document.toJS() ?? {};
}

export const isEmbedded = (file: StackFile) =>
  (file.config?.["pgstead:engine"] ?? "embedded") === "embedded";

export const usesSecretsProvider = ({ secretsprovider }: StackFile) =>
  secretsprovider !== undefined && secretsprovider !== "passphrase";

/** A fact that a verb has changed, written where the next `up` reads it; comments stay. */
export function writeStackFile(root: string, stack: string, path: string[], value: unknown): void {
  const file = join(root, `Pulumi.${stack}.yaml`);
  const document = parseDocument(readFileSync(file, "utf8"));
  document.setIn(["config", ...path], value);
  // Beside it first: a kill half-way must not leave a stack without its file.
  writeFileSync(`${file}.new`, document.toString());
  renameSync(`${file}.new`, file);
}
