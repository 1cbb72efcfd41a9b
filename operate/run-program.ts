import { execFile } from "node:child_process";
import { mistake, unreachable } from "./error.ts";

/** Runs a program and drops its output. If it fails, the error contains its stderr. */
export function runProgram(program: string, args: string[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(program, args, signal ? { signal } : {}, (error, _stdout, stderr) => {
      if (!error) return resolve();
      if (signal?.aborted) return reject(signal.reason);
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return reject(mistake(`"${program}" is not installed here`, error));
      }
      reject(unreachable(`${program} failed: ${stderr.trim() || error.message}`, error));
    });
  });
}
