import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { mistake } from "../operate/error.ts";

const DEFAULT_STACK = "local";

/** Walks up from the current folder to the project, as Pulumi itself does. */
export function findRoot(from = process.cwd()): string {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (isProject(folder)) return folder;
    if (folder === dirname(folder)) break;
  }
  throw mistake(
    `no pgstead project here: neither ${from} nor a folder above it has a Pulumi.yaml with a key "pgstead:engine"`,
  );
}

/** By name or key, because two products on one host give their projects names of their own. */
function isProject(folder: string): boolean {
  const file = join(folder, "Pulumi.yaml");
  return (
    existsSync(file) &&
    /^name: *pgstead\s*$|^ +"?pgstead:engine"?:/m.test(readFileSync(file, "utf8"))
  );
}

/** By an expression: a YAML library would make each start of the command slower. */
export function readProjectName(root: string): string {
  const file = join(root, "Pulumi.yaml");
  const name = /^name:\s*["']?([A-Za-z0-9_.-]+)/m.exec(readFileSync(file, "utf8"))?.[1];
  if (!name) throw mistake(`${file} has no line "name: NAME"`);
  return name;
}

/** `--stack`, `PGSTEAD_STACK`, the stack selected in Pulumi, else `local`. */
export function resolveStack(given: string | undefined): string {
  const stack = given ?? process.env.PGSTEAD_STACK ?? selectedStack() ?? DEFAULT_STACK;
  if (!/^[A-Za-z0-9_.-]{1,100}$/.test(stack)) {
    throw mistake(
      `"${stack}" cannot be the name of a stack: letters, digits, "-", "_" and "." only`,
    );
  }
  return stack;
}

/** Read from Pulumi's workspace file, because starting Pulumi to ask takes half a second. */
function selectedStack(): string | undefined {
  const root = findRoot();
  const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
  const digest = createHash("sha1").update(join(root, "Pulumi.yaml")).digest("hex");
  try {
    const file = join(home, "workspaces", `${readProjectName(root)}-${digest}-workspace.json`);
    // A stack of a shared backend is remembered as organization/project/stack.
    return JSON.parse(readFileSync(file, "utf8")).stack?.split("/").at(-1) || undefined;
  } catch {
    return undefined;
  }
}
