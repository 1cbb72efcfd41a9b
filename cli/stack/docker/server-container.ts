import { setTimeout as sleep } from "node:timers/promises";
import { type ExpectedError, mistake, refused, unreachable } from "../../../operate/error.ts";
import {
  containerState,
  type DockerStack,
  docker,
  engineError,
  notRunning,
} from "./docker-stack.ts";
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

/** Returns whether it was running before. */
export async function restartContainer(stack: DockerStack): Promise<boolean> {
  const state = await containerState(stack.env, stack.postgres);
  if (!state) throw await notRunning(stack, stack.postgres);
  const args = ["restart", "--time", String(STOP_SECONDS), stack.postgres];
  const { code, stderr } = await docker(stack.env, args, (STOP_SECONDS + 60) * 1000);
  if (code !== 0) throw engineError(stack.env, stderr);
  await waitForServer(stack.env, stack.postgres, START_SECONDS);
  return state === "running";
}

/** Removes the named volumes, which no `pulumi destroy` touches. */
export async function deleteVolumes(stack: DockerStack, note: (line: string) => void) {
  for (const kind of ["data", "backups", "agent"]) {
    const volume = `${stack.stack}-${kind}`;
    const { code, stderr } = await docker(stack.env, ["volume", "rm", volume]);
    if (code === 0) note(`deleted volume ${volume}`);
    else if (!/no such volume/i.test(stderr)) throw mistake(`volume ${volume}: ${stderr.trim()}`);
  }
}

export function assertUnprotected(stack: DockerStack): void {
  if (!stack.isProtected) return;
  throw refused(
    `stack "${stack.stack}" is protected, so its data is not deleted; set pgstead:protect to false in Pulumi.${stack.stack}.yaml, run "pgstead up --stack ${stack.stack}", and then this again`,
  );
}

/** Asked over TCP, which a cluster that is being made does not have yet. */
export async function waitForServer(
  env: NodeJS.ProcessEnv,
  container: string,
  seconds: number,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  const probe = ["exec", container, "pg_isready", "-q", "-h", "127.0.0.1"];
  for (;;) {
    const { code } = await docker(env, probe, 10_000);
    if (code === 0) return;
    const state = await containerState(env, container);
    if (state !== "running" && state !== "created") {
      throw await withLog(env, container, `the server's container is ${state ?? "gone"}`);
    }
    if (Date.now() > deadline) {
      const late = `the server did not answer within ${seconds} s (postgres.startSeconds)`;
      throw await withLog(env, container, late);
    }
    await sleep(250);
  }
}

async function withLog(
  env: NodeJS.ProcessEnv,
  container: string,
  problem: string,
): Promise<ExpectedError> {
  const { stdout, stderr } = await docker(env, ["logs", "--tail", "10", container]);
  const log = `${stdout}${stderr}`.trim().replaceAll(/^/gm, "  ");
  return unreachable(`${problem}; the last lines of "${container}":\n${log}`);
}
