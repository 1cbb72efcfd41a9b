import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";

/** A process in a group of its own, so that a kill takes its children along and nobody else. */
export function start(command: string, args: string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, { stdio: "ignore", ...options, detached: true });
  // A program that does not exist is the caller's to see in `ended`, not a crash of the suite.
  child.on("error", () => {});
  return child;
}

/** What `start` began, ended without a word: SIGKILL, which no program can prepare for. */
export function kill(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Its exit code, or the signal that ended it. */
export function ended(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    else if (child.signalCode !== null) resolve(child.signalCode);
    else {
      child.on("exit", (code, signal) => resolve(code ?? signal ?? -1));
      child.on("error", (error) => resolve(error.message));
    }
  });
}

export function killContainer(name: string): void {
  execFileSync("docker", ["kill", "--signal", "KILL", name], { stdio: "ignore" });
}
