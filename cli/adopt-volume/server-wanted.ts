import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { readStackFile } from "../stack/stack-file.ts";

export interface ServerWanted {
  major: string;
  base: string;
}

/** The server that the stack's file declares. */
export function readServerWanted(root: string, stack: string): ServerWanted {
  const config = readStackFile(root, stack).config ?? {};
  const server = (config["pgstead:postgres"] ?? {}) as { version?: string | number; base?: string };
  const [major = "18"] = String(server.version ?? "18").split(".");
  return { major, base: server.base ?? "alpine" };
}

export const readProjectName = (root: string): string =>
  parse(readFileSync(join(root, "Pulumi.yaml"), "utf8")).name;
