import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { bundle } from "./assets.ts";
import { ConfigError } from "./error.ts";

export interface RunOptions {
  /** Text that the verb reads from stdin. @default "" */
  stdin?: string;
  /** Exit codes that are an answer and not a failure. @default [0] */
  accept?: number[];
  /** Variables to add to the environment of this process. @default {} */
  env?: Record<string, string>;
}

/** Runs a verb of `pgstead` in a child process and returns its stdout. */
export function runPgstead(args: string[], options: RunOptions = {}): Promise<string> {
  const { stdin = "", accept = [0], env } = options;
  if (!existsSync(bundle)) {
    throw new ConfigError(`${bundle} is missing; create it with "npm run build"`);
  }
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bundle, ...args], {
      stdio: "pipe",
      env: { ...process.env, ...env },
    });
    child.stdin.end(stdin);
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => {
      stderr += data;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code !== null && accept.includes(code)) return resolve(stdout);
      reportExitCode(code);
      reject(new ConfigError(readError(stdout) ?? stderr.trim().replace(/^error: /, "")));
    });
  });
}

/** With `--json`, the verb prints its error as JSON on stdout. */
function readError(stdout: string): string | undefined {
  try {
    return JSON.parse(stdout).error;
  } catch {
    return undefined;
  }
}

/** Pulumi exits with 255 after every failure, so `pgstead up` reads the real exit code from this file. */
export function reportExitCode(code: number | null): void {
  const file = process.env.PGSTEAD_EXIT_CODE_FILE;
  if (file && code !== null) writeFileSync(file, String(code));
}
