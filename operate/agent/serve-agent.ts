import { spawn } from "node:child_process";
import { backupSettings } from "../backup/backup-settings.ts";
import type { Settings } from "../settings.ts";
import { serveMetrics } from "./metrics.ts";
import { type Actions, runSchedule } from "./scheduler.ts";

/** The command line that starts this program: `verb` and its options follow. */
export type Self = (verb: string[]) => string[];

/** The agent's background work: takes backups when they are due, until it is told to stop. */
export async function serveAgent(settings: Settings, self: Self): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  log(`agent of stack "${settings.stack}"`);
  const metrics = serveMetrics(settings.stack, backupSettings(settings), log);
  await schedule(settings, self, controller.signal);
  metrics.close();
  metrics.closeAllConnections();
  log("stopped");
}

/** Also for the server that serves `embedded`, beside its own work. */
export async function schedule(settings: Settings, self: Self, signal: AbortSignal): Promise<void> {
  const actions: Actions = {
    backup: () => runSelf(self(["backup", "now", "--scheduled", "--json"]), signal),
    verify: (id) => runSelf(self(["backup", "verify", id, "--json"]), signal),
    upload: () => runSelf(self(["backup", "upload", "--json"]), signal),
  };
  await runSchedule(settings, actions, { signal, log });
}

/**
 * A verb in a process of its own: what a dump and an upload need of memory is given back with it.
 * Told to stop, it is given the time to clean up behind itself.
 */
function runSelf<T>([program, ...args]: string[], signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, args, { stdio: ["ignore", "pipe", "pipe"] });
    const stop = () => child.kill("SIGTERM");
    signal.addEventListener("abort", stop, { once: true });
    let stdout = "";
    child.stdout.on("data", (data) => {
      stdout += data;
    });
    child.stderr.on("data", (data) => process.stdout.write(data));
    child.once("error", reject);
    child.once("close", (code, killedBy) => {
      signal.removeEventListener("abort", stop);
      const answer = parse(stdout);
      if (answer && !("error" in answer && "exitCode" in answer)) return resolve(answer as T);
      const how = killedBy ? `was ended by ${killedBy}` : `ended with exit code ${code}`;
      reject(new Error(String(answer?.error ?? `${args.slice(1, 3).join(" ")} ${how}`)));
    });
  });
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);
