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

export interface Scratch {
  settings: Settings;
  memory: ScratchMemory;
  /** The end of what the server said. */
  log(): string;
}

export interface ScratchServerOptions {
  /** Folder that the cluster goes to. */
  home: string;
  /** Of the server that was dumped. */
  serverSettings: Record<string, string>;
  signal: AbortSignal;
}

/** No role of a dump is called so: all of them can be made as they were. */
const SUPERUSER = "pgstead_scratch";

/**
 * A server of its own for as long as `use` runs: no TCP, a socket in a private folder, nothing that
 * archives, replicates or schedules (S15). It ends with this process, however that ends.
 */
export async function withScratchServer<T>(
  { home, serverSettings, signal }: ScratchServerOptions,
  use: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  // A path of a socket may be 107 bytes long.
  const socket = mkdtempSync(join(tmpdir(), "pgstead-"));
  const log = join(home, "log");
  const settings: Settings = {
    stack: "scratch",
    engine: "docker",
    database: { host: socket, port: 5432, name: "postgres", user: SUPERUSER },
    migrations: { folder: "/", files: "*", outOfOrder: "refuse", protected: false },
    checks: [],
  };
  let server: ChildProcess | undefined;
  try {
    const data = join(home, "data");
    await makeCluster(settings, data, signal);
    const memory = planScratchMemory(parseMegabytes(serverSettings.maintenance_work_mem) ?? 64);
    server = startServer(data, log, { ...fixed(socket), ...sized(memory, serverSettings) });
    await untilReady(settings, server, log, signal);
    return await use({ settings, memory, log: () => tail(log) });
  } finally {
    await stop(server);
    rmSync(socket, { recursive: true, force: true });
  }
}

async function makeCluster(settings: Settings, data: string, signal: AbortSignal): Promise<void> {
  if (process.getuid?.() === 0) {
    throw new CannotVerify("PostgreSQL does not run as root; verify in the agent container");
  }
  const args = ["--pgdata", data, "--username", SUPERUSER, "--auth", "trust", "--no-sync"];
  const locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  const all = [...args, ...locale, "--no-instructions"];
  await runTool(settings, "initdb", all, { signal }).catch((error) => {
    signal.throwIfAborted();
    throw new CannotVerify((error as Error).message);
  });
}

/** Nothing here has to survive a crash, so nothing waits for the disk. */
const fixed = (socket: string) => ({
  listen_addresses: "",
  unix_socket_directories: socket,
  unix_socket_permissions: "0700",
  archive_mode: "off",
  // A dump is never recovered from the log; at this level tables and indexes need not be written to it.
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
  // A tablespace's folder does not exist here.
  allow_in_place_tablespaces: "on",
  log_min_messages: "warning",
});

/** They run jobs by themselves, which would act in the world. */
const SCHEDULERS = /^(pg_cron|pg_timetable|pg_partman_bgw|timescaledb|pg_background|powa)$/;

function sized(memory: ScratchMemory, of: Record<string, string>) {
  const preload = (of.shared_preload_libraries ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name && !SCHEDULERS.test(name));
  const same = ["max_connections", "max_prepared_transactions", "max_locks_per_transaction"];
  return {
    ...Object.fromEntries(same.filter((name) => of[name]).map((name) => [name, of[name]!])),
    max_worker_processes: String(Math.max(8, Number(of.max_worker_processes ?? 8))),
    shared_buffers: `${memory.sharedBuffersMb}MB`,
    maintenance_work_mem: `${memory.maintenanceWorkMemMb}MB`,
    max_parallel_maintenance_workers: String(memory.parallelWorkers),
    ...(preload.length > 0 && { shared_preload_libraries: preload.join(",") }),
  };
}

/** The shell ends the server when our end of its stdin is closed, which the kernel does for the dead. */
const WITH_US = `log=$1; shift; "$@" >"$log" 2>&1 </dev/null 3<&- & server=$!
  { cat >/dev/null; kill -QUIT $server 2>/dev/null; } <&3 &
  wait $server`;

function startServer(data: string, log: string, settings: Record<string, string>): ChildProcess {
  const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const command = ["postgres", "-D", data, ...options];
  return spawn("sh", ["-c", WITH_US, "sh", log, ...command], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
  });
}

const START_MS = 60_000;

async function untilReady(
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
        throw new CannotVerify(`the scratch server did not start:\n${tail(log)}`);
      }
    }
    await sleep(50);
  }
}

function tail(log: string): string {
  try {
    return readFileSync(log, "utf8").slice(-4000).trim();
  } catch {
    return "";
  }
}

async function stop(server: ChildProcess | undefined): Promise<void> {
  if (!server || server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once("close", resolve));
  (server.stdio[3] as { destroy?: () => void } | undefined)?.destroy?.();
  await ended;
}
