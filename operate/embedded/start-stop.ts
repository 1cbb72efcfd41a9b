import { spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { withClient } from "../connect/database.ts";
import { requireEmbeddedFolder } from "../connect/embedded-folder.ts";
import { paths } from "../connect/embedded-paths.ts";
import { readServerState } from "../connect/embedded-state.ts";
import { type ExpectedError, unreachable } from "../error.ts";
import { findLockHolder } from "../file-lock.ts";
import type { Settings } from "../settings.ts";

/** A first start initialises a cluster. A WAL replay after a crash may take as long. */
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;

export type StartResult = "started" | "already running" | "restarted on another port";

/** Starts the server in its own process unless it runs. If it does not become healthy, it is stopped. */
export async function ensureServer(
  settings: Settings,
  serveCommand: string[],
): Promise<StartResult> {
  const state = readServerState(settings);
  const hasOtherPort =
    state.running && state.port !== undefined && state.port !== settings.database.port;
  if (hasOtherPort) await stopServer(settings);
  else if (state.running) {
    await waitUntilHealthy(settings, () => readServerState(settings).running);
    return "already running";
  }
  await startServer(settings, serveCommand);
  return hasOtherPort ? "restarted on another port" : "started";
}

async function startServer(settings: Settings, serveCommand: string[]): Promise<void> {
  const folder = requireEmbeddedFolder(settings);
  mkdirSync(folder, { recursive: true });
  const log = openSync(paths.log(folder), "a");
  const logStart = readFileSync(paths.log(folder)).length;
  const [program, ...args] = serveCommand as [string, ...string[]];
  // Detached, so that the server survives the end of this process and of the terminal.
  const server = spawn(program, args, { detached: true, stdio: ["ignore", log, log], cwd: folder });
  let ended = false;
  server.once("exit", () => {
    ended = true;
  });
  server.unref();
  const abandon = () => {
    server.kill("SIGTERM");
    process.exit(130);
  };
  process.once("SIGINT", abandon).once("SIGTERM", abandon);
  try {
    await waitUntilHealthy(settings, () => !ended);
  } catch (error) {
    if (!ended) server.kill("SIGTERM");
    throw ended ? explainStartFailure(settings, logStart) : error;
  } finally {
    process.off("SIGINT", abandon).off("SIGTERM", abandon);
  }
}

/** The last error in the server's log is the reason why it did not start. */
function explainStartFailure(settings: Settings, logStart: number): ExpectedError {
  const file = paths.log(requireEmbeddedFolder(settings));
  const output = readFileSync(file).subarray(logStart).toString("utf8").trim();
  const reason = output.split("\n").findLast((line) => line.startsWith("error: "));
  if (reason) return unreachable(reason.slice("error: ".length));
  return unreachable(
    `the embedded server ended while starting; its log ${file} ends with\n${takeLastLines(output)}`,
  );
}

const takeLastLines = (text: string) => text.split("\n").slice(-10).join("\n");

/**
 * The server is healthy when it answers a query. Its port is compared first, because the server of
 * another checkout may answer on that port.
 */
async function waitUntilHealthy(settings: Settings, isStarting: () => boolean): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  let failure: unknown = unreachable(
    "the embedded server did not become healthy in time; see its log",
  );
  while (Date.now() < deadline) {
    if (readServerState(settings).port === settings.database.port) {
      const error = await probe(settings);
      if (!error) return;
      failure = error;
    }
    if (!isStarting()) throw unreachable("the embedded server ended while starting");
    await sleep(50);
  }
  throw failure;
}

/** Returns the error, if there is one. */
async function probe(settings: Settings): Promise<unknown> {
  try {
    await withClient(settings, { purpose: "health", connectTimeoutMs: 2_000 }, (client) =>
      client.query("SELECT 1"),
    );
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Stops the server and waits for its end. The data stays. Returns whether a server was running. */
export async function stopServer(settings: Settings): Promise<boolean> {
  const folder = requireEmbeddedFolder(settings);
  const holder = findLockHolder(paths.lock(folder));
  if (!holder) return false;
  process.kill(holder.pid, "SIGTERM");
  const deadline = Date.now() + STOP_DEADLINE_MS;
  while (findLockHolder(paths.lock(folder))?.pid === holder.pid) {
    if (Date.now() > deadline) {
      throw unreachable(
        `the embedded server (process ${holder.pid}) did not stop within ${STOP_DEADLINE_MS / 1000} s; see ${paths.log(folder)}`,
      );
    }
    await sleep(50);
  }
  return true;
}
