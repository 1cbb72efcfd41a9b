import { spawn } from "node:child_process";
import { closeSync, openSync, renameSync, rmSync } from "node:fs";
import { ExitCode, mistake, unreachable } from "../../../operate/error.ts";
import { runInContainer } from "./ask-engine.ts";
import { type DockerStack, isRunning, notRunning } from "./docker-stack.ts";

/** Runs a verb in the agent with `--out -`, and keeps what it writes as a file of this machine. */
export async function saveFromAgent(
  stack: DockerStack,
  verb: string[],
  out: string,
): Promise<ExitCode> {
  if (!(await isRunning(stack, stack.agent))) throw await notRunning(stack, stack.agent);
  const partial = `${out}.partial`;
  try {
    const code = await intoFile(stack, [...verb, "--out", "-"], partial);
    // 2 says that the dump lacks something: the file is there, and its reader has been told.
    if (code === ExitCode.fine || code === ExitCode.pending) renameSync(partial, out);
    return code;
  } finally {
    rmSync(partial, { force: true });
  }
}

function intoFile(stack: DockerStack, verb: string[], file: string): Promise<ExitCode> {
  const handle = openForWriting(file);
  const args = ["exec", "-e", "PGSTEAD_ANNOUNCED=1", stack.agent, "pgstead", ...verb];
  return new Promise((resolve, reject) => {
    const child = spawn("docker", args, { env: stack.env, stdio: ["ignore", handle, "inherit"] });
    child.once("error", reject);
    child.once("close", (code) => {
      closeSync(handle);
      resolve((code ?? ExitCode.mistake) as ExitCode);
    });
  });
}

function openForWriting(file: string): number {
  try {
    return openSync(file, "w", 0o600);
  } catch (error) {
    throw mistake(`cannot write ${file}: ${(error as Error).message}`, error);
  }
}

/** A verb's answer as JSON, from the agent. */
export async function askAgent<T>(stack: DockerStack, verb: string[]): Promise<T> {
  if (!(await isRunning(stack, stack.agent))) throw await notRunning(stack, stack.agent);
  const args = ["exec", stack.agent, "pgstead", ...verb, "--json"];
  const { code, stdout, stderr } = await runInContainer(stack.env, args);
  if (code === 0) return JSON.parse(stdout);
  const told = stdout.startsWith("{") ? JSON.parse(stdout).error : stderr.trim();
  throw code === ExitCode.mistake ? mistake(told) : unreachable(told);
}
