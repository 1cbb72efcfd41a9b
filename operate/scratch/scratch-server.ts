import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CannotVerify } from "../backup/format/cannot-verify.ts";
import { withClient } from "../connect/database.ts";
import { runTool } from "../connect/postgres-tool.ts";
import type { Settings } from "../settings.ts";
import { parseMegabytes, planScratchMemory, type ScratchMemory } from "./memory.ts";

export interface ScratchServer {
  settings: Settings;
  memory: ScratchMemory;
  /** Returns the end of the server's log. */
  readLog(): string;
}

export interface ScratchServerOptions {
  /** Folder for the cluster and its log. */
  scratchFolder: string;
  /** Settings of the server that was dumped. */
  serverSettings: Record<string, string>;
  signal: AbortSignal;
}

/** No dump has a role of this name, so all roles of a dump can be created. */
const SUPERUSER = "pgstead_scratch";

/**
 * Starts a server and stops it after `use`. It has no TCP, a socket in a private folder, and no
 * archiving, replication or scheduled jobs (S15). It also stops if this process is killed.
 */
export async function withScratchServer<T>(
  { scratchFolder, serverSettings, signal }: ScratchServerOptions,
  use: (scratch: ScratchServer) => Promise<T>,
): Promise<T> {
  // The path of a socket is limited to 107 bytes.
  const socket = mkdtempSync(join(tmpdir(), "pgstead-"));
  const log = join(scratchFolder, "log");
  const settings: Settings = {
    stack: "scratch",
    engine: "docker",
    database: { host: socket, port: 5432, name: "postgres", user: SUPERUSER },
    migrations: { folder: "/", files: "*", outOfOrder: "refuse", protected: false },
    checks: [],
  };
  let server: ChildProcess | undefined;
  try {
    const data = join(scratchFolder, "data");
    await createCluster(settings, data, signal);
    const memory = planScratchMemory(parseMegabytes(serverSettings.maintenance_work_mem) ?? 64);
    server = startServer(data, log, {
      ...buildFixedSettings(socket),
      ...buildSizedSettings(memory, serverSettings),
    });
    await waitUntilReady(settings, server, log, signal);
    return await use({ settings, memory, readLog: () => readTail(log) });
  } finally {
    await stopServer(server);
    rmSync(socket, { recursive: true, force: true });
  }
}

async function createCluster(settings: Settings, data: string, signal: AbortSignal): Promise<void> {
  if (process.getuid?.() === 0) {
    throw new CannotVerify("PostgreSQL does not run as root; run the verb in the agent container");
  }
  const args = [
    ...["--pgdata", data, "--username", SUPERUSER, "--auth", "trust", "--no-sync"],
    ...["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
    "--no-instructions",
  ];
  await runTool(settings, "initdb", args, { signal }).catch((error) => {
    signal.throwIfAborted();
    throw new CannotVerify((error as Error).message);
  });
}

/** The data need not survive a crash, so fsync is off. */
const buildFixedSettings = (socket: string) => ({
  listen_addresses: "",
  unix_socket_directories: socket,
  unix_socket_permissions: "0700",
  archive_mode: "off",
  // The server never recovers from its WAL. At this level new tables and indexes are not written to it.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_logical_replication_workers: "0",
  fsync: "off",
  full_page_writes: "off",
  synchronous_commit: "off",
  autovacuum: "off",
  jit: "off",
  checkpoint_timeout: "1h",
  max_wal_size: "1GB",
  // The folders of the dumped server's tablespaces do not exist here.
  allow_in_place_tablespaces: "on",
  log_min_messages: "warning",
});

/** These extensions run jobs of the dumped database, which could reach other systems. */
const SCHEDULERS = /^(pg_cron|pg_timetable|pg_partman_bgw|timescaledb|pg_background|powa)$/;

function buildSizedSettings(memory: ScratchMemory, dumped: Record<string, string>) {
  const preload = (dumped.shared_preload_libraries ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name && !SCHEDULERS.test(name));
  const copied = ["max_connections", "max_prepared_transactions", "max_locks_per_transaction"];
  return {
    ...Object.fromEntries(
      copied.filter((name) => dumped[name]).map((name) => [name, dumped[name]!]),
    ),
    max_worker_processes: String(Math.max(8, Number(dumped.max_worker_processes ?? 8))),
    shared_buffers: `${memory.sharedBuffersMb}MB`,
    maintenance_work_mem: `${memory.maintenanceWorkMemMb}MB`,
    max_parallel_maintenance_workers: String(memory.parallelWorkers),
    ...(preload.length > 0 && { shared_preload_libraries: preload.join(",") }),
  };
}

/** The shell stops the server when our end of the pipe closes: the kernel closes it if we are killed. */
const RUN_WHILE_PIPE_IS_OPEN = `log=$1; shift; "$@" >"$log" 2>&1 </dev/null 3<&- & server=$!
  { cat >/dev/null; kill -QUIT $server 2>/dev/null; } <&3 &
  wait $server`;

function startServer(data: string, log: string, settings: Record<string, string>): ChildProcess {
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = ["postgres", "-D", data, ...options];
  return spawn("sh", ["-c", RUN_WHILE_PIPE_IS_OPEN, "sh", log, ...command], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
  });
}

const START_MS = 60_000;

async function waitUntilReady(
  settings: Settings,
  server: ChildProcess,
  log: string,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return await withClient(settings, { purpose: "verify" }, async () => {});
    } catch {
      if (server.exitCode !== null || Date.now() > deadline) {
        throw new CannotVerify(`the scratch server did not start:\n${readTail(log)}`);
      }
    }
    await sleep(50);
  }
}

function readTail(log: string): string {
  try {
    return readFileSync(log, "utf8").slice(-4000).trim();
  } catch {
    return "";
  }
}

async function stopServer(server: ChildProcess | undefined): Promise<void> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once("close", resolve));
  (server.stdio[3] as { destroy?: () => void } | undefined)?.destroy?.();
  await ended;
}
