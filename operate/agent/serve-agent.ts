import { spawn } from "node:child_process";
import { backupSettings } from "../backup/backup-settings.ts";
import type { Settings } from "../settings.ts";
import { CurrentSettings } from "./current-settings.ts";
import { serveMetrics } from "./metrics.ts";
import { type Actions, Scheduler } from "./scheduler.ts";

/** Returns the command line that runs a verb of this program. */
export type BuildCommand = (verb: string[]) => string[];

/** Runs the schedule of the settings in `file`, and serves metrics, until SIGTERM or SIGINT. */
export async function serveAgent(
  settings: Settings,
  file: string,
  buildCommand: BuildCommand,
): Promise<void> {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  log(`agent of stack "${settings.stack}"`);
  const current = new CurrentSettings(settings, file, log);
  const scheduler = createScheduler(current, buildCommand, controller.signal);
  const readBackups = () => backupSettings(current.read());
  const metrics = serveMetrics(settings.stack, readBackups, log, () => scheduler.trouble);
  try {
    await scheduler.run();
  } finally {
    // An open server would keep a process alive whose schedule has ended (S30).
    metrics.close();
    metrics.closeAllConnections();
  }
  log("stopped");
}

/** Without metrics: the embedded server runs its schedule with this. */
export const runSchedule = (
  settings: Settings,
  file: string,
  buildCommand: BuildCommand,
  signal: AbortSignal,
): Promise<void> =>
  createScheduler(new CurrentSettings(settings, file, log), buildCommand, signal).run();

function createScheduler(
  current: CurrentSettings,
  buildCommand: BuildCommand,
  signal: AbortSignal,
): Scheduler {
  const run = <T>(signal: AbortSignal, ...verb: string[]) =>
    runChild<T>(buildCommand([...verb, "--json"]), signal);
  const actions: Actions = {
    backup: (signal) => run(signal, "backup", "now", "--scheduled"),
    verify: (id, signal) => run(signal, "backup", "verify", id),
    upload: (signal) => run(signal, "backup", "upload"),
  };
  return new Scheduler(() => current.read(), actions, { signal, log });
}

/**
 * Runs a verb in a child process and returns its JSON. The memory of a dump or an upload is freed
 * when the child ends. On abort the child gets SIGTERM and time to clean up.
 */
function runChild<T>([program, ...args]: string[], signal: AbortSignal): Promise<T> {
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
      const answer = parseJson(stdout);
      if (answer && !("error" in answer && "exitCode" in answer)) return resolve(answer as T);
      const end = killedBy ? `was ended by ${killedBy}` : `ended with exit code ${code}`;
      reject(new Error(String(answer?.error ?? `${args.slice(1, 3).join(" ")} ${end}`)));
    });
  });
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const log = (line: string) => console.log(`${new Date().toISOString()} ${line}`);
