import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { bundle } from "./assets.ts";
import { ConfigError } from "./error.ts";

export interface RunOptions {
  stdin?: string;
  /** Exit codes that are an answer and no failure. */
  accept?: number[];
  /** On top of this process's own. */
  env?: Record<string, string>;
}

/** Runs a verb of `pgstead` in a process of its own and returns what it printed. */
export function runPgstead(args: string[], options: RunOptions = {}): Promise<string> {
  const { stdin = "", accept = [0], env } = options;
  if (!existsSync(bundle)) {
    throw new ConfigError(`${bundle} is missing; "npm run build" makes it`);
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
      reject(new ConfigError(errorOf(stdout) ?? stderr.trim().replace(/^error: /, "")));
    });
  });
}

/** With `--json` the error is the answer. */
function errorOf(stdout: string): string | undefined {
  try {
    return JSON.parse(stdout).error;
  } catch {
    return undefined;
  }
}

/** Pulumi ends with 255 whatever failed; `pgstead up` reads the real code from here. */
export function reportExitCode(code: number | null): void {
  const file = process.env.PGSTEAD_EXIT_CODE_FILE;
  if (file && code !== null) writeFileSync(file, String(code));
}
