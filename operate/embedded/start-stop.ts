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

/** A first start unpacks and initialises a cluster; a replay after a crash may take as long. */
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 20_000;

export type StartResult = "started" | "already running" | "restarted on another port";

/** Leaves a healthy server behind in a process of its own, or no server and the reason. */
export async function ensureServer(
  settings: Settings,
  serveCommand: string[],
): Promise<StartResult> {
  const state = readServerState(settings);
  const moved = state.running && state.port !== undefined && state.port !== settings.database.port;
  if (moved) await stopServer(settings);
  else if (state.running) {
    await waitUntilHealthy(settings, () => readServerState(settings).running);
    return "already running";
  }
  await startServer(settings, serveCommand);
  return moved ? "restarted on another port" : "started";
}

async function startServer(settings: Settings, serveCommand: string[]): Promise<void> {
  const folder = requireEmbeddedFolder(settings);
  mkdirSync(folder, { recursive: true });
  const log = openSync(paths.log(folder), "a");
  const logStart = readFileSync(paths.log(folder)).length;
  const [program, ...args] = serveCommand as [string, ...string[]];
  // In a session of its own, so that it survives this process and the terminal.
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

/** The server says itself, as the last thing in its log, why it did not start. */
function explainStartFailure(settings: Settings, logStart: number): ExpectedError {
  const file = paths.log(requireEmbeddedFolder(settings));
  const said = readFileSync(file).subarray(logStart).toString("utf8").trim();
  const reason = said.split("\n").findLast((line) => line.startsWith("error: "));
  if (reason) return unreachable(reason.slice("error: ".length));
  return unreachable(
    `the embedded server ended while starting; its log ${file} ends with\n${takeLastLines(said)}`,
  );
}

const takeLastLines = (text: string) => text.split("\n").slice(-10).join("\n");

/**
 * Healthy is a query that is answered, by our own server: another checkout's may have the port, and
 * would answer as gladly.
 */
async function waitUntilHealthy(settings: Settings, mayStillCome: () => boolean): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  let failure: unknown = unreachable("the embedded server did not come up in time; see its log");
  while (Date.now() < deadline) {
    if (readServerState(settings).port === settings.database.port) {
      const asked = await probe(settings);
      if (asked === "answered") return;
      failure = asked;
    }
    if (!mayStillCome()) throw unreachable("the embedded server ended while starting");
    await sleep(50);
  }
  throw failure;
}

async function probe(settings: Settings): Promise<unknown> {
  try {
    await withClient(settings, { purpose: "health", connectTimeoutMs: 2_000 }, (client) =>
      client.query("SELECT 1"),
    );
    return "answered";
  } catch (error) {
    return error;
  }
}

/** Stops the server and waits for it; data is kept. Returns whether there was one. */
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
