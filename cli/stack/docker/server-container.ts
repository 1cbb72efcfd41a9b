import { setTimeout as sleep } from "node:timers/promises";
import { CHANGE_MS, runDocker } from "../../../docker/run-docker.ts";
import { type ExpectedError, mistake, refused, unreachable } from "../../../operate/error.ts";
import { askEngine, createEngineError } from "./ask-engine.ts";
import { containerState, type DockerStack, notRunning } from "./docker-stack.ts";
import { inherit } from "./inherit.ts";

const STOP_SECONDS = 120;
const START_SECONDS = 300;

export async function logsOfContainer(
  stack: DockerStack,
  lines: string,
  follow: boolean,
): Promise<number> {
  if (!(await containerState(stack.env, stack.postgres))) {
    throw await notRunning(stack, stack.postgres);
  }
  return inherit(stack.env, [
    "logs",
    "--tail",
    lines,
    ...(follow ? ["--follow"] : []),
    stack.postgres,
  ]);
}

/** Returns whether the server was running before. */
export async function restartContainer(stack: DockerStack): Promise<boolean> {
  const state = await containerState(stack.env, stack.postgres);
  if (!state) throw await notRunning(stack, stack.postgres);
  const args = ["restart", "--time", String(STOP_SECONDS), stack.postgres];
  await askEngine(stack.env, args, (STOP_SECONDS + 60) * 1000);
  await waitForServer(stack.env, stack.postgres, START_SECONDS);
  return state === "running";
}

/** Removes the named volumes, which `pulumi destroy` keeps. */
export async function deleteVolumes(stack: DockerStack, note: (line: string) => void) {
  for (const kind of ["data", "backups", "agent", "previous"]) {
    const volume = `${stack.stack}-${kind}`;
    const answer = await runDocker(["volume", "rm", volume], {
      env: stack.env,
      timeoutMs: CHANGE_MS,
    });
    if (answer.kind === "found") note(`deleted volume ${volume}`);
    if (answer.kind === "unreachable") throw createEngineError(stack.env, answer);
    if (answer.kind === "refused") throw mistake(`volume ${volume}: ${answer.reason}`);
  }
}

export function assertUnprotected(stack: DockerStack): void {
  if (!stack.isProtected) return;
  throw refused(
    `stack "${stack.stack}" is protected, so its data is not deleted; set pgstead:protect to false in Pulumi.${stack.stack}.yaml, run "pgstead up --stack ${stack.stack}", and then this again`,
  );
}

/** Asks over TCP: while the image makes a new cluster, its server listens on the socket only. */
export async function waitForServer(
  env: NodeJS.ProcessEnv,
  container: string,
  seconds: number,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  const probe = ["exec", container, "pg_isready", "-q", "-h", "127.0.0.1"];
  for (;;) {
    const state = await containerState(env, container);
    if (state !== "running" && state !== "created") {
      throw await withLog(env, container, `the server's container ${describeState(state)}`);
    }
    if ((await runDocker(probe, { env })).kind === "found") return;
    if (Date.now() > deadline) {
      const late = `the server did not answer within ${seconds} s (postgres.startSeconds)`;
      throw await withLog(env, container, late);
    }
    await sleep(250);
  }
}

const describeState = (state: string | undefined) => (state ? `is ${state}` : "does not exist");

async function withLog(
  env: NodeJS.ProcessEnv,
  container: string,
  problem: string,
): Promise<ExpectedError> {
  const { stdout, stderr } = await runDocker(["logs", "--tail", "10", container], { env });
  const log = `${stdout}${stderr}`.trim().replaceAll(/^/gm, "  ");
  return unreachable(`${problem}; the last lines of "${container}":\n${log}`);
}
