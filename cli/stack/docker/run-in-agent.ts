import { createHash } from "node:crypto";
import { join } from "node:path";
import { type ExitCode, unreachable } from "../../../operate/error.ts";
import type { Context } from "../../context.ts";
import type { DockerStack } from "./docker-stack.ts";
import { inherit } from "./inherit.ts";
import { packFolder } from "./tar.ts";

/**
 * Runs this command line again inside the stack's agent container. `migrations/` of this checkout goes
 * along first, so that stdin and the terminal stay the verb's own.
 */
export async function runInAgent(context: Context, argv: string[]): Promise<ExitCode> {
  const stack = (await context.dockerStack()) as DockerStack;
  const folder = await sendMigrations(await context.root(), stack);
  const terminal = process.stdin.isTTY && process.stdout.isTTY ? ["-t"] : [];
  const env = ["-e", `PGSTEAD_MIGRATIONS=${folder}`, "-e", "PGSTEAD_ANNOUNCED=1"];
  const args = ["exec", "-i", ...terminal, ...env, stack.agent, "pgstead", ...withoutStack(argv)];
  return (await inherit(stack.env, args)) as ExitCode;
}

/** The container knows its own stack. */
function withoutStack(argv: string[]): string[] {
  const at = argv.findIndex((arg) => arg === "--stack" || arg === "-s");
  if (at >= 0) return [...argv.slice(0, at), ...argv.slice(at + 2)];
  return argv.filter((arg) => !arg.startsWith("--stack="));
}

/** Named by content: the same files are sent once, and two checkouts do not meet. */
async function sendMigrations(root: string, stack: DockerStack): Promise<string> {
  const archive = packFolder(join(root, stack.migrations));
  const digest = createHash("sha256").update(archive).digest("hex").slice(0, 16);
  const folder = `/tmp/pgstead-migrations-${digest}`;
  const unpack = `[ -d ${folder} ] || { t=$(mktemp -d) && tar -xf - -C "$t" && mv -T "$t" ${folder}; }`;
  const code = await inherit(stack.env, ["exec", "-i", stack.agent, "sh", "-c", unpack], archive);
  if (code !== 0) throw unreachable(`could not send the migrations into ${stack.agent}`);
  return folder;
}
