import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from "node:child_process";

/** Starts a process in a process group of its own, so that a kill ends it and its children only. */
export function start(command: string, args: string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(command, args, { stdio: "ignore", ...options, detached: true });
  // `waitForExit` reports a missing program. Without this handler, the suite would crash.
  child.on("error", () => {});
  return child;
}

/** Sends SIGKILL, which no program can handle, to a process of `start` and its children. */
export function kill(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Returns the exit code, or the signal that ended the process. */
export function waitForExit(child: ChildProcess): Promise<number | string> {
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
