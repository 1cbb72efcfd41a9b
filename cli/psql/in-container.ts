import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { ExpectedError, mistake } from "../../operate/error.ts";
import { type Stopped, stopSignal } from "../../operate/stop.ts";
import { saveFile } from "../save-file.ts";
import { containerState, type DockerStack, notRunning } from "../stack/docker/docker-stack.ts";
import { readPsqlArguments } from "./arguments.ts";
import { loginAs, type PsqlRole, promptFlags } from "./role.ts";
import { assertNoFileCommand, checkScripts, expandScript } from "./script.ts";

/**
 * The role that psql logs in as. Undefined: the caller's flags or the shell's PGUSER say it, else it is the
 * superuser. On a protected stack PGUSER does not count, because it may be meant for another server.
 */
export function chooseRole(
  { isProtected }: Pick<DockerStack, "isProtected">,
  as: PsqlRole | undefined,
  namesRole: boolean,
): PsqlRole | undefined {
  if (as && namesRole) throw mistake("--as and psql's own user name both name a role; give one");
  return as ?? (isProtected && !namesRole ? "readonly" : undefined);
}

/**
 * psql of the server's own version, in its container, over the socket; the caller's flags win. It sees no
 * file of this machine: scripts pass over its stdin, and output comes back.
 */
export async function runPsqlInContainer(
  stack: DockerStack,
  given: string[],
  as?: PsqlRole,
): Promise<number> {
  const call = readPsqlArguments(given);
  const role = chooseRole(stack, as, call.namesRole);
  for (const command of call.commands) assertNoFileCommand(command);
  await checkScripts(call.scripts ?? []);
  if ((await containerState(stack.env, stack.postgres)) !== "running") {
    throw await notRunning(stack, stack.postgres);
  }
  const isInteractive =
    call.scripts?.[0] === "-" && !call.args.includes("-f") && hasTerminal() && !call.out;
  const prompt = isInteractive ? promptFlags(stack.stack, role) : [];
  const run = { stack, role, args: [...prompt, ...call.args], isInteractive };
  if (isInteractive) return end(start(run, "inherit"));
  if (call.out === undefined) return feed(start(run, "inherit"), call.scripts);
  return saveFile(call.out, async (target) => {
    const psql = start(run, "pipe");
    const [code] = await Promise.all([
      feed(psql, call.scripts),
      pipeline(psql.child.stdout!, target, { end: false }),
    ]);
    return code;
  });
}

const hasTerminal = () => process.stdin.isTTY && process.stdout.isTTY;

interface Psql {
  child: ChildProcess;
  /** Ends when this process does, and takes psql with it. */
  guard: ChildProcess;
}

/**
 * `docker exec` passes on no signal, and what it has started outlives it. The guard is a second one:
 * a line on its stdin names a signal, and the end of its stdin says that this process is gone. Then it
 * ends the processes that have the name of this call in their environment. It gives psql time to
 * start, and, once it has cancelled a statement, to end by itself.
 */
const GUARD = `read -r word; [ "$word" = done ] && exit
find_psql() { for f in /proc/[0-9]*/environ; do
  grep -qs "PGSTEAD_CALL=$1" "$f" && p=\${f#/proc/} && echo "\${p%/environ}"; done; }
for i in 1 2 3 4 5 6 7 8 9 10; do p=$(find_psql "$1"); [ -n "$p" ] && break; sleep 0.3; done
kill -INT $p 2>/dev/null
for i in 1 2 3 4 5 6 7 8; do [ -z "$(find_psql "$1")" ] && exit; sleep 0.2; done
kill -TERM $(find_psql "$1") 2>/dev/null`;

interface PsqlRun {
  stack: DockerStack;
  role: PsqlRole | undefined;
  args: string[];
  isInteractive: boolean;
}

function start({ stack, role, args, isInteractive }: PsqlRun, stdout: "inherit" | "pipe"): Psql {
  const call = randomBytes(8).toString("hex");
  const exec = ["exec", "-i", "-u", "postgres"];
  const guard = spawn("docker", [...exec, stack.postgres, "sh", "-c", GUARD, "sh", call], {
    env: stack.env,
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.on("error", () => {});
  guard.stdin!.on("error", () => {});
  guard.unref();
  const variables = {
    ...{ PGDATABASE: stack.database, PGUSER: stack.superuser, ...given(process.env) },
    ...(role && loginAs(role, stack.superuser, process.env)),
    PGSTEAD_CALL: call,
  };
  const env = Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const terminal = isInteractive ? ["-t"] : [];
  const child = spawn("docker", [...exec, ...terminal, ...env, stack.postgres, "psql", ...args], {
    env: stack.env,
    stdio: [isInteractive ? "inherit" : "pipe", stdout, "inherit"],
    // On a terminal Ctrl-C goes to psql as a key; else it is passed on by the guard.
    detached: !isInteractive,
  });
  child.stdin?.on("error", () => {});
  return { child, guard };
}

const given = ({ PGDATABASE, PGUSER, PGOPTIONS, PGAPPNAME }: NodeJS.ProcessEnv) =>
  Object.fromEntries(
    Object.entries({ PGDATABASE, PGUSER, PGOPTIONS, PGAPPNAME }).filter(([, value]) => value),
  );

/** Sends psql what it shall read, and waits for its end. */
async function feed(psql: Psql, scripts: string[] | undefined): Promise<number> {
  const ended = end(psql);
  const sent = send(psql.child, scripts).catch((error) => {
    // psql need not read all of it.
    if (!(error instanceof ExpectedError)) return;
    psql.guard.stdin!.end("stop\n");
    throw error;
  });
  try {
    const [code] = await Promise.all([ended, Promise.race([sent, ended])]);
    return code;
  } finally {
    // Else a terminal or pipe that nobody reads keeps this process alive.
    process.stdin.destroy();
  }
}

async function send(child: ChildProcess, scripts: string[] | undefined): Promise<void> {
  if (scripts) {
    for (const path of scripts) {
      await pipeline(expandScript(path, process.stdin), child.stdin!, { end: false });
    }
  } else if (!process.stdin.isTTY) await pipeline(process.stdin, child.stdin!, { end: false });
  child.stdin!.end();
}

async function end({ child, guard }: Psql): Promise<number> {
  const passOn = () => guard.stdin!.end(`${(stopSignal.reason as Stopped).by}\n`);
  if (stopSignal.aborted) passOn();
  else stopSignal.addEventListener("abort", passOn, { once: true });
  try {
    const [code] = (await once(child, "close")) as [number | null];
    stopSignal.throwIfAborted();
    return code ?? 1;
  } finally {
    stopSignal.removeEventListener("abort", passOn);
    if (!guard.stdin!.writableEnded) guard.stdin!.end("done\n");
  }
}
