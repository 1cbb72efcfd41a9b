import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { readStackFile } from "../stack/stack-file.ts";

interface Server {
  version?: string | number;
  base?: string;
  baseImage?: string;
}

/** The server that the stack's file declares. */
export function readServerWanted(root: string, stack: string) {
  const config = readStackFile(root, stack).config ?? {};
  const server = (config["pgstead:postgres"] ?? {}) as Server;
  const version = String(server.version ?? "18");
  const base = server.base ?? "alpine";
  const official = `postgres:${version}-${base === "alpine" ? "alpine" : "trixie"}`;
  return { major: version.split(".")[0] as string, base, image: server.baseImage ?? official };
}

export const readProjectName = (root: string): string =>
  parse(readFileSync(join(root, "Pulumi.yaml"), "utf8")).name;
