import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { mistake } from "../../operate/error.ts";

interface StackFile {
  secretsprovider?: string;
  config?: Record<string, unknown>;
}

/** `Pulumi.STACK.yaml`: a stack with this file is known, though it has no state yet. */
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
  // Pulumi's own message names neither the file nor the mistake.
  if (error) throw mistake(`${name} is not valid YAML: ${error.message.trim()}`);
  return document.toJS() ?? {};
}

export const isEmbedded = (file: StackFile) =>
  (file.config?.["pgstead:engine"] ?? "embedded") === "embedded";

export const usesSecretsProvider = ({ secretsprovider }: StackFile) =>
  secretsprovider !== undefined && secretsprovider !== "passphrase";

/** Sets one key of the stack's file, which the next `up` reads, or removes it with null; comments stay. */
export function writeStackFile(root: string, stack: string, path: string[], value: unknown): void {
  const file = join(root, `Pulumi.${stack}.yaml`);
  const document = parseDocument(readFileSync(file, "utf8"));
  if (value === null) document.deleteIn(["config", ...path]);
  else document.setIn(["config", ...path], value);
  // Renamed into place, so that a kill does not leave a stack without its file.
  writeFileSync(`${file}.new`, document.toString());
  renameSync(`${file}.new`, file);
}
