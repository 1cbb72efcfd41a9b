import { createReadStream, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { CHANGE_MS, runDocker } from "../../docker/run-docker.ts";
import { mistake } from "../../operate/error.ts";
import { askEngine, findOnEngine, runInContainer } from "../stack/docker/ask-engine.ts";
import type { DockerStack } from "../stack/docker/docker-stack.ts";
import { UNFINISHED } from "./copy-cluster.ts";
import { startDocker } from "./docker-child.ts";
import { omitRole } from "./omit-role.ts";

export interface Load {
  stack: DockerStack;
  image: string;
  /** Major version of its server. */
  major: string;
  volume: string;
  /** Output of `pg_dumpall`, compressed. */
  dump: string;
  note: (line: string) => void;
}

const DAY_MS = 24 * 3_600_000;
const FOLDER = "/var/lib/postgresql";

/** An interrupted load starts again from the beginning, so durability only costs time. */
const FOR_LOADING = {
  fsync: "off",
  full_page_writes: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "4GB",
  maintenance_work_mem: "512MB",
  autovacuum: "off",
  // The stack's own files: a superuser of any name may connect over the socket.
  hba_file: "/etc/pgstead/pg_hba.conf",
  ident_file: "/etc/pgstead/pg_ident.conf",
};

/** Makes a cluster on the volume with the image that will serve it, and loads the dump into it. */
export async function loadCluster(load: Load): Promise<void> {
  const { stack, note } = load;
  const container = `${stack.stack}-adopting`;
  await remove(stack, container);
  try {
    await startServer(load, container);
    await waitUntilReady(load, container);
    note(`loading ${load.dump}`);
    await loadDump(load, container);
    note("collecting planner statistics, which a dump does not contain");
    const analyze = ["vacuumdb", "-U", stack.superuser, "--all", "--analyze-only", "--quiet"];
    await askEngine(stack.env, ["exec", "-u", "postgres", container, ...analyze], DAY_MS);
    await askEngine(stack.env, ["stop", "--time", "3600", container], DAY_MS);
  } finally {
    // An engine that fails now must not replace the error above; the next run removes the container.
    await remove(stack, container).catch(() => {});
  }
}

async function startServer(
  { stack, image, major, volume }: Load,
  container: string,
): Promise<void> {
  const settings = Object.entries(FOR_LOADING).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  const run = [
    ...["run", "--detach", "--name", container, "--label", `pgstead.stack=${stack.stack}`],
    // Parallel index builds share maintenance_work_mem there (S4).
    ...["--network", "none", "--shm-size", "1g", "--volume", `${volume}:${FOLDER}`],
    // The images before 18 declare a volume at this folder, inside ours.
    ...(Number(major) < 18 ? ["--tmpfs", `${FOLDER}/data:size=4k,mode=0555`] : []),
    ...["--env", `PGDATA=${FOLDER}/${UNFINISHED}`, "--env", `POSTGRES_USER=${stack.superuser}`],
    ...["--env", "POSTGRES_DB=postgres", image, "postgres", ...settings],
  ];
  await askEngine(stack.env, run, DAY_MS);
}

/** Asks over TCP: while the image makes a new cluster, its server listens on the socket only. */
async function waitUntilReady({ stack }: Load, container: string): Promise<void> {
  for (;;) {
    const ready = ["exec", container, "pg_isready", "-q", "-h", "127.0.0.1"];
    if ((await runInContainer(stack.env, ready)).kind === "found") return;
    const inspect = ["container", "inspect", "--format", "{{.State.Running}}", container];
    if ((await findOnEngine(stack.env, inspect)) !== "true") {
      const logs = ["logs", "--tail", "5", container];
      const { stdout, stderr } = await runDocker(logs, { env: stack.env });
      throw mistake(`the new cluster's server did not start: ${`${stdout}${stderr}`.trim()}`);
    }
    await sleep(250);
  }
}

/** Stops at the first error, because half of a database is useless. */
async function loadDump({ stack, dump, note }: Load, container: string): Promise<void> {
  const psql = ["psql", "-XqU", stack.superuser, "-d", "postgres", "-v", "ON_ERROR_STOP=1"];
  const line = ["exec", "-i", "-u", "postgres", container, ...psql, "-o", "/dev/null"];
  const { stdin, stdout, ended, errors } = startDocker(stack.env, line);
  stdout.resume();
  const file = createReadStream(dump);
  const total = statSync(dump).size;
  const progress = setInterval(
    () => note(`loaded ${Math.floor((100 * file.bytesRead) / total)} % of the dump`),
    10_000,
  );
  const steps = [file, createGunzip(), omitRole(stack.superuser), stdin] as const;
  const streamError = await pipeline(...steps).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const code = await ended.finally(() => clearInterval(progress));
  if (code === 0 && !streamError) return;
  // When psql stops, the stream fails with a broken pipe; psql's own message has the reason.
  const why = code === 0 ? streamError : errors().split("\n").slice(-4).join("\n");
  throw mistake(`the dump could not be loaded, and the old volume is unchanged: ${why}`);
}

/** Removes what a killed run has left; the label keeps other people's containers safe. */
async function remove({ env, stack }: DockerStack, container: string): Promise<void> {
  const ours = ["--filter", `name=^/${container}$`, "--filter", `label=pgstead.stack=${stack}`];
  const ids = (await askEngine(env, ["ps", "-aq", ...ours])).split("\n").filter(Boolean);
  if (ids.length > 0) await findOnEngine(env, ["rm", "-fv", ...ids], CHANGE_MS);
}
