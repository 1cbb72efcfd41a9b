import { createReadStream, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { mistake } from "../../operate/error.ts";
import { type DockerStack, docker, engineError } from "../stack/docker/docker-stack.ts";
import { UNFINISHED } from "./copy-cluster.ts";
import { dockerChild } from "./docker-child.ts";
import { withoutRole } from "./without-role.ts";

export interface Load {
  stack: DockerStack;
  image: string;
  /** Major version of its server. */
  major: string;
  volume: string;
  /** What `pg_dumpall` has written, compressed. */
  dump: string;
  note: (line: string) => void;
}

const FOLDER = "/var/lib/postgresql";

/** Nobody is served yet, and a load that is cut short is begun anew: so nothing waits for the disk. */
const FOR_LOADING = {
  fsync: "off",
  full_page_writes: "off",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "4GB",
  maintenance_work_mem: "512MB",
  autovacuum: "off",
  // As the stack's server has them: a superuser of any name is let in over the socket.
  hba_file: "/etc/pgstead/pg_hba.conf",
  ident_file: "/etc/pgstead/pg_ident.conf",
};

/** Makes a cluster on the volume, by the image that will serve it, of all that a dump holds. */
export async function loadCluster(load: Load): Promise<void> {
  const { stack, note } = load;
  const container = `${stack.stack}-adopting`;
  await remove(stack, container);
  try {
    await start(load, container);
    await untilReady(load, container);
    note(`loading ${load.dump}`);
    await loadDump(load, container);
    note("collecting the statistics that a dump has none of");
    const analyze = ["vacuumdb", "-U", stack.superuser, "--all", "--analyze-only", "--quiet"];
    await expectDone(stack, ["exec", "-u", "postgres", container, ...analyze]);
    await expectDone(stack, ["stop", "--time", "3600", container]);
  } finally {
    await remove(stack, container);
  }
}

async function start({ stack, image, major, volume }: Load, container: string): Promise<void> {
  const settings = Object.entries(FOR_LOADING).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  await expectDone(stack, [
    ...["run", "--detach", "--name", container, "--label", `pgstead.stack=${stack.stack}`],
    // Parallel index builds share maintenance_work_mem there (S4).
    ...["--network", "none", "--shm-size", "1g", "--volume", `${volume}:${FOLDER}`],
    // Those images declare a volume inside ours.
    ...(Number(major) < 18 ? ["--tmpfs", `${FOLDER}/data:size=4k,mode=0555`] : []),
    ...["--env", `PGDATA=${FOLDER}/${UNFINISHED}`, "--env", `POSTGRES_USER=${stack.superuser}`],
    ...["--env", "POSTGRES_DB=postgres", image, "postgres", ...settings],
  ]);
}

/** Over TCP, which a cluster that is being made does not have yet. */
async function untilReady({ stack }: Load, container: string): Promise<void> {
  for (;;) {
    const ready = ["exec", container, "pg_isready", "-q", "-h", "127.0.0.1"];
    if ((await docker(stack.env, ready)).code === 0) return;
    const state = ["container", "inspect", "--format", "{{.State.Running}}", container];
    if ((await docker(stack.env, state)).stdout.trim() !== "true") {
      const { stdout, stderr } = await docker(stack.env, ["logs", "--tail", "5", container]);
      throw mistake(`the new cluster's server did not start: ${`${stdout}${stderr}`.trim()}`);
    }
    await sleep(250);
  }
}

/** Stops at the first error: half of a database is none. */
async function loadDump({ stack, dump, note }: Load, container: string): Promise<void> {
  const psql = ["psql", "-XqU", stack.superuser, "-d", "postgres", "-v", "ON_ERROR_STOP=1"];
  const line = ["exec", "-i", "-u", "postgres", container, ...psql, "-o", "/dev/null"];
  const { stdin, stdout, ended, said } = dockerChild(stack.env, line);
  stdout.resume();
  const file = createReadStream(dump);
  const total = statSync(dump).size;
  const progress = setInterval(
    () => note(`loaded ${Math.floor((100 * file.bytesRead) / total)} % of the dump`),
    10_000,
  );
  const steps = [file, createGunzip(), withoutRole(stack.superuser), stdin] as const;
  const broken = await pipeline(...steps).then(
    () => undefined,
    (error: Error) => error.message,
  );
  const code = await ended.finally(() => clearInterval(progress));
  if (code === 0 && !broken) return;
  // A psql that has stopped reads no further: its own words say why, not the broken pipe's.
  const why = code === 0 ? broken : said().split("\n").slice(-4).join("\n");
  throw mistake(`the dump could not be loaded, and the old volume is as it was: ${why}`);
}

async function expectDone({ env }: DockerStack, args: string[]): Promise<void> {
  const { code, stderr } = await docker(env, args, 24 * 3_600_000);
  if (code !== 0) throw engineError(env, stderr);
}

/** One that a killed run has left, and no stranger's. */
async function remove({ env, stack }: DockerStack, container: string): Promise<void> {
  const ours = ["--filter", `name=^/${container}$`, "--filter", `label=pgstead.stack=${stack}`];
  const { stdout } = await docker(env, ["ps", "-aq", ...ours]);
  const ids = stdout.split("\n").filter(Boolean);
  if (ids.length > 0) await docker(env, ["rm", "-fv", ...ids]);
}
