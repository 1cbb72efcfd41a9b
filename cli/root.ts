import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { mistake } from "../operate/error.ts";

const PROJECT = "pgstead";
const DEFAULT_STACK = "local";

/** Walks up from the current folder to the project, as Pulumi itself does. */
export function findRoot(from = process.cwd()): string {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (isProject(folder)) return folder;
    if (folder === dirname(folder)) break;
  }
  throw mistake(
    `no ${PROJECT} project here: neither ${from} nor a folder above it has a Pulumi.yaml with "name: ${PROJECT}"`,
  );
}

function isProject(folder: string): boolean {
  const file = join(folder, "Pulumi.yaml");
  return (
    existsSync(file) && new RegExp(`^name: *${PROJECT}\\s*$`, "m").test(readFileSync(file, "utf8"))
  );
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
  const project = join(findRoot(), "Pulumi.yaml");
  const home = process.env.PULUMI_HOME ?? join(homedir(), ".pulumi");
  const digest = createHash("sha1").update(project).digest("hex");
  try {
    const file = join(home, "workspaces", `${PROJECT}-${digest}-workspace.json`);
    // A stack of a shared backend is remembered as organization/project/stack.
    return JSON.parse(readFileSync(file, "utf8")).stack?.split("/").at(-1) || undefined;
  } catch {
    return undefined;
  }
}
