import { MAJORS } from "../../config/choices.ts";
import { ConfigError } from "../error.ts";

/** How large the server is. */
export interface Size {
  /**
   * MB for the container, without swap.
   * @default - no limit, and server settings as for 2048
   */
  memoryMb?: number | undefined;
  /**
   * Processors for the container.
   * @default - no limit, and server settings as for 2
   */
  cpus?: number | undefined;
  /**
   * MB for one index build or VACUUM. The container's shared memory follows it.
   * @default - an eighth of the memory
   */
  maintenanceWorkMemMb?: number | undefined;
}

export interface ServerSize extends Size {
  /** Major version of the server, because settings differ between them. @example "18" */
  major: string;
  /** Index builds that a restore runs at once. @default - one for each processor, 2 to 4 */
  restoreJobs?: number | undefined;
}

export interface ServerSetting {
  name: string;
  value: string;
  /** Why it is not the server's own default. */
  reason: string;
}

export interface SizedServer {
  /** Settings that differ from the server's own defaults. */
  settings: ServerSetting[];
  /** MB for one index build or VACUUM. */
  maintenanceWorkMemMb: number;
  /** MB of shared memory for the container. */
  shmMb: number;
}

export type SettingValue = string | number | boolean;

/** The image and the volumes decide these. Another value would move the data or lock the agent out. */
const FIXED = ["config_file", "data_directory", "hba_file", "ident_file", "listen_addresses"];
const ALSO_FIXED = ["port", "ssl", "ssl_cert_file", "ssl_key_file", "unix_socket_directories"];

/**
 * The server's settings for a machine of this size. A setting in `overrides` wins.
 *
 * @example
 * sizeServer("db", { major: "18", memoryMb: 8192, cpus: 4 }, { work_mem: "64MB" });
 */
export function sizeServer(
  name: string,
  size: ServerSize,
  overrides: Record<string, SettingValue> = {},
): SizedServer {
  assertMajor(name, size.major);
  assertAllowed(name, Object.keys(overrides));
  const { memoryMb = 2048, cpus = 2 } = size;
  const jobs = size.restoreJobs ?? clamp(cpus, 2, 4);
  const sharedMb = clamp(memoryMb / 4, 64, 16_384);
  const maintenanceMb =
    readMegabytes(overrides.maintenance_work_mem) ??
    size.maintenanceWorkMemMb ??
    clamp(Math.min(memoryMb / 8, (memoryMb - sharedMb - 64) / (jobs * 1.25)), 16, 2048);
  // S4: shared memory for the index builds of all restore jobs at once. Docker's default of 64 MB breaks
  // a parallel HNSW build.
  const shmMb = Math.max(64, Math.ceil(jobs * maintenanceMb * 1.25));
  if (size.memoryMb !== undefined && memoryMb < shmMb + sharedMb + 64) {
    throw new ConfigError(
      `"memoryMb" of "${name}" is ${memoryMb}, too little for "maintenanceWorkMemMb" at ${maintenanceMb}: ${jobs} index builds at once share ${shmMb} MB beside ${sharedMb} MB of shared_buffers; allowed is ${shmMb + sharedMb + 64} or more, or a smaller "maintenanceWorkMemMb"`,
    );
  }
  const connections = Math.max(1, Number(overrides.max_connections ?? 100) || 100);
  const settings = listRows({ ...size, memoryMb, cpus, sharedMb, maintenanceMb, connections })
    .filter(([, value, serverDefault]) => value !== serverDefault)
    .map(([setting, value, , reason]) => ({ name: setting, value, reason }));
  const given = Object.entries(overrides).map(([setting, value]) => ({
    name: setting,
    value: String(value),
    reason: "given by postgres.settings",
  }));
  const notOverridden = settings.filter(({ name: setting }) => !(setting in overrides));
  return { settings: [...notOverridden, ...given], maintenanceWorkMemMb: maintenanceMb, shmMb };
}

interface Sized {
  major: string;
  memoryMb: number;
  cpus: number;
  sharedMb: number;
  maintenanceMb: number;
  connections: number;
}

/** The reason says why the value is not the server's default. */
type Row = [name: string, value: string, serverDefault: string, reason: string];

function listRows(size: Sized): Row[] {
  return [
    ...sizeMemory(size),
    ...useProcessors(size),
    ...tuneReads(size),
    ...tuneWrites(),
    ...tuneVacuum(size),
    ...dropLostClients(),
    ...tuneLogging(),
  ];
}

function sizeMemory({ memoryMb, sharedMb, maintenanceMb, connections }: Sized): Row[] {
  // Each connection may sort twice, in the memory that buffers and one index build leave.
  const workMb = clamp((memoryMb - sharedMb - maintenanceMb) / (connections * 2), 4, 256);
  return [
    ["shared_buffers", mb(sharedMb), "128MB", "a quarter of the memory"],
    [
      "effective_cache_size",
      mb(clamp((memoryMb * 3) / 4, 64)),
      "4096MB",
      "what the system's cache and shared_buffers hold together; only the planner reads it",
    ],
    ["work_mem", mb(workMb), "4MB", `${connections} connections with two sorts each still fit`],
    [
      "maintenance_work_mem",
      mb(maintenanceMb),
      "64MB",
      "an HNSW graph that fits is built several times faster; shared memory is sized with it",
    ],
  ];
}

function useProcessors({ major, cpus }: Sized): Row[] {
  const workers = String(Math.max(8, cpus * 2));
  const all = String(clamp(cpus, 1));
  const planned: Row[] = [
    [
      "max_worker_processes",
      workers,
      "8",
      "room for parallel queries, index builds and extensions",
    ],
    ["max_parallel_workers", all, "8", "no more than there are processors"],
    [
      "max_parallel_workers_per_gather",
      String(clamp(cpus / 2, 1, 4)),
      "2",
      "one query takes half of the processors at most",
    ],
    [
      "max_parallel_maintenance_workers",
      String(clamp(cpus - 1, 2, 8)),
      "2",
      "an index build takes all processors; the process that leads it works too",
    ],
  ];
  if (Number(major) < 18) return planned;
  const reason = "io_uring is barred by the engine's system call filter; workers run everywhere";
  return [
    ...planned,
    ["io_method", "worker", "", reason],
    [
      "io_workers",
      String(clamp(cpus / 4, 3, 32)),
      "3",
      "reading ahead keeps up with the processors",
    ],
  ];
}

/** 18 has 16 as its default; its commits ff79b5b2 and cc6be07e measure that 1 is worse than 0. */
function tuneReads({ major }: Sized): Row[] {
  const [effective, maintenance] = Number(major) < 18 ? ["1", "10"] : ["16", "16"];
  const reason = "solid-state disks and cloud storage answer many reads at once; 18 has it so";
  return [
    ["effective_io_concurrency", "16", effective, reason],
    ["maintenance_io_concurrency", "16", maintenance, reason],
  ];
}

function tuneWrites(): Row[] {
  return [
    [
      "wal_compression",
      "lz4",
      "off",
      "a quarter of the WAL under small transactions, half under updates of vectors",
    ],
    [
      "max_wal_size",
      "4096MB",
      "1024MB",
      "loading vectors writes much WAL; checkpoints by time and not by size spare the disk",
    ],
    [
      "default_toast_compression",
      "lz4",
      "pglz",
      "long texts are written and read twice as fast, for a third more room",
    ],
    ["min_wal_size", "256MB", "80MB", "segments are used again instead of made anew"],
    [
      "checkpoint_timeout",
      "15min",
      "5min",
      "fewer full pages in the WAL, for a longer recovery after a crash",
    ],
    [
      "random_page_cost",
      "1.1",
      "4",
      "solid-state disks; at 4 the planner passes over vector indexes",
    ],
  ];
}

function tuneVacuum({ maintenanceMb }: Sized): Row[] {
  return [
    [
      "autovacuum_work_mem",
      mb(Math.min(maintenanceMb, 256)),
      "-1",
      "three workers at once do not each take what an index build is given",
    ],
    [
      "autovacuum_vacuum_scale_factor",
      "0.05",
      "0.2",
      "dead rows slow down every search of a vector index",
    ],
    ["autovacuum_analyze_scale_factor", "0.05", "0.1", "plans follow a growing table sooner"],
    ["autovacuum_naptime", "30s", "60s", "small, busy tables are reached in time"],
  ];
}

/** A client whose machine is gone would keep its locks, and its query would run to the end. */
function dropLostClients(): Row[] {
  const lost = "a client whose machine is gone keeps its locks for two minutes, not for two hours";
  return [
    [
      "client_connection_check_interval",
      "10s",
      "0",
      "a query whose client is gone ends; it would run to its end for nobody",
    ],
    ["tcp_keepalives_idle", "60", "0", lost],
    ["tcp_keepalives_interval", "10", "0", lost],
    ["tcp_keepalives_count", "6", "0", lost],
  ];
}

function tuneLogging(): Row[] {
  return [
    ["log_line_prefix", "%m [%p] %q%u@%d %a ", "%m [%p] ", "who and from where, for 3 a.m."],
    ["log_lock_waits", "on", "off", "who waits for whom longer than a second"],
    ["log_autovacuum_min_duration", "60s", "10min", "a vacuum that takes long is worth knowing"],
    ["log_temp_files", "64MB", "-1", "sorts that outgrow work_mem by far"],
  ];
}

/** The command line of `postgres`: a preview shows each setting that changes. */
export function serverCommand(sized: SizedServer, fixed: Record<string, string>): string[] {
  const all = [...Object.entries(fixed), ...sized.settings.map(({ name, value }) => [name, value])];
  return ["postgres", ...all.flatMap(([key, value]) => ["-c", `${key}=${value}`])];
}

/** The settings as postgresql.conf for people, with the reason above each line. */
export function renderSettings(sized: SizedServer): string {
  const lines = sized.settings.map(
    ({ name, value, reason }) => `# ${reason}\n${name} = '${value}'`,
  );
  return `${lines.join("\n\n")}\n`;
}

function assertMajor(name: string, major: string): void {
  if (MAJORS.includes(major)) return;
  throw new ConfigError(
    `the version of "${name}" is ${major}, which is not supported; allowed: ${MAJORS.join(", ")}`,
  );
}

function assertAllowed(name: string, given: string[]): void {
  const [wrong] = given.filter((setting) => [...FIXED, ...ALSO_FIXED].includes(setting));
  if (!wrong) return;
  throw new ConfigError(
    `"settings.${wrong}" of "${name}" cannot be given, because the image, the volumes and the network decide it; leave it out`,
  );
}

/** Reads a size as in postgresql.conf, where a bare number is kB. */
function readMegabytes(value: SettingValue | undefined): number | undefined {
  const parts = /^(\d+)\s*(kB|MB|GB|TB)?$/.exec(String(value ?? "").trim());
  if (!parts) return undefined;
  const unit = { kB: 1 / 1024, MB: 1, GB: 1024, TB: 1024 ** 2 }[parts[2] ?? "kB"] as number;
  return Math.ceil(Number(parts[1]) * unit);
}

const mb = (amount: number) => `${amount}MB`;
const clamp = (value: number, low: number, high = Number.POSITIVE_INFINITY) =>
  Math.min(high, Math.max(low, Math.floor(value)));
