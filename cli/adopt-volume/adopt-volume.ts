import { join } from "node:path";
import { mistake, refused } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import { askEngine, runInContainer } from "../stack/docker/ask-engine.ts";
import { containerState, type DockerStack } from "../stack/docker/docker-stack.ts";
import {
  askCopy,
  assertRoom,
  type Copy,
  copyCluster,
  dumpOfCopy,
  emptyTarget,
  prepareTarget,
  putInPlace,
  removeTarget,
} from "./copy-cluster.ts";
import { loadCluster } from "./load-cluster.ts";
import { explainUnreadable, findCluster, type OldCluster } from "./old-cluster.ts";
import { findOldVolume, type OldVolume } from "./old-volume.ts";
import { saveDump } from "./save-dump.ts";
import type { ServerWanted } from "./server-wanted.ts";
import { buildStackImage, removeStackImage } from "./stack-image.ts";

export interface Adoption {
  root: string;
  project: string;
  stack: DockerStack;
  wanted: ServerWanted;
  volume: string | undefined;
  container: string | undefined;
  cluster: string | undefined;
  /** An image that serves the old volume. @default - its container's */
  image: string | undefined;
  dryRun: boolean;
  /** Containers that use the old volume may be stopped. */
  mayStop: boolean;
  note: (line: string) => void;
}

export interface Adopted {
  from: string;
  cluster: OldCluster;
  to: string;
  /** Why the files cannot be served: a new cluster is loaded from the dump instead. Null if they can. */
  loaded: string | null;
  dump: string | null;
}

/**
 * Brings the cluster of a compose file, or of another stack, onto the stack's own volume, in the layout
 * that the stack's server expects. It copies the files; if this server cannot read them, it loads a dump
 * into a new cluster. The old volume is only read.
 */
export async function adoptVolume(adoption: Adoption): Promise<Adopted> {
  const { stack, wanted, note, root } = adoption;
  const to = `${stack.stack}-data`;
  await assertDown(stack);
  const old = await findOldVolume(stack.env, adoption.volume, adoption.container);
  if (old.name === to) throw mistake(`"${to}" is the stack's own volume; "pgstead up" serves it`);
  const oldImage = adoption.image ?? old.image;
  const image = oldImage ?? (await buildStackImage(root, stack, note));
  const cluster = await findCluster(stack.env, image, old.name, adoption.cluster);
  const loaded = explainUnreadable(cluster, wanted) ?? null;
  const size = formatBytes(cluster.kilobytes * 1024);
  note(`volume "${old.name}": PostgreSQL ${cluster.major} at "${cluster.path}", ${size}`);
  if (loaded) {
    note(`${loaded}: its own server dumps it, and the dump is loaded into a new cluster`);
    if (!oldImage) throw createNoServerError(old, cluster);
  }
  const adopted = { from: old.name, cluster, to, loaded };
  if (adoption.dryRun) return { ...adopted, dump: null };
  const dump = join(root, ".pgstead", stack.stack, `adopted-${old.name}-${stamp()}.sql.gz`);
  assertMayStop(adoption, old);
  // A dump that is to be loaded must be complete, so it is taken after the old server has stopped.
  const isDumped = !loaded && (await dumpRunning(adoption, old, dump));
  const copy: Copy = { env: stack.env, image, to };
  // The old server still runs: if the adoption fails here, it has not been stopped for nothing.
  await prepareTarget(copy, labels(adoption));
  await assertRoom(copy, cluster);
  await stopUsers(adoption, old);
  note(`copying ${size} to volume "${to}"`);
  await copyCluster(copy, old.name, cluster);
  await assertNames(copy, cluster, stack, old);
  if (!isDumped) {
    note(`dumping the copy to ${dump}`);
    await saveDump(stack.env, dumpOfCopy(copy, cluster.owner, stack.superuser), dump);
  }
  if (loaded) await loadInPlaceOf(adoption, copy, dump);
  await putInPlace(copy, wanted.major);
  await removeStackImage(stack);
  return { ...adopted, dump };
}

function createNoServerError({ name }: OldVolume, { major }: OldCluster) {
  return mistake(
    `no container shows which image served volume "${name}"; name one that can: --image pgvector/pgvector:pg${major}`,
  );
}

/** Replaces the copy, which has been dumped, by a new cluster of the stack's own server. */
async function loadInPlaceOf({ root, stack, wanted, note }: Adoption, copy: Copy, dump: string) {
  const image = await buildStackImage(root, stack, note);
  await emptyTarget(copy);
  await loadCluster({ stack, image, major: wanted.major, volume: copy.to, dump, note });
}

const stamp = () => new Date().toISOString().replaceAll(/[-:]|\.\d+/g, "");

const labels = ({ project, stack }: Adoption) => [
  `pgstead.project=${project}`,
  `pgstead.stack=${stack.stack}`,
];

async function assertDown(stack: DockerStack): Promise<void> {
  if (!(await containerState(stack.env, stack.postgres))) return;
  throw refused(
    `stack "${stack.stack}" has a server of its own already (${stack.postgres}); a cluster is adopted before the first "pgstead up"`,
  );
}

/** Dumps the running server before anything is stopped; false if no single server is ready. */
async function dumpRunning({ stack, note }: Adoption, old: OldVolume, file: string) {
  const [container] = old.running;
  if (!container || old.running.length > 1) return false;
  const probe = ["exec", container, "pg_isready", "-q"];
  if ((await runInContainer(stack.env, probe)).kind !== "found") return false;
  note(`dumping what runs in "${container}" to ${file}`);
  const dump = ["exec", "-u", "postgres", container, "pg_dumpall", "-U", stack.superuser];
  await saveDump(stack.env, dump, file).catch((error: Error) => {
    if (!/role ".*" does not exist/.test(error.message)) throw error;
    const key = `pgstead:postgres.superuser is "${stack.superuser}"`;
    throw mistake(`${key}, and the old server has no such role; set it to the old POSTGRES_USER`);
  });
  return true;
}

function assertMayStop({ mayStop }: Adoption, { name, running }: OldVolume): void {
  if (running.length === 0 || mayStop) return;
  const names = running.map((each) => `"${each}"`).join(", ");
  throw refused(
    `volume "${name}" is in use by ${names}; stop that first, or let pgstead stop it (--yes)`,
  );
}

/** A copy of files that a server writes meanwhile is useless. */
async function stopUsers({ stack, note }: Adoption, { running }: OldVolume): Promise<void> {
  if (running.length === 0) return;
  const names = running.map((each) => `"${each}"`).join(", ");
  note(`stopping ${names}`);
  await askEngine(stack.env, ["stop", "--time", "120", ...running], 200_000);
}

/** Only a server can read the names in a cluster, so the copy is asked. */
async function assertNames(
  copy: Copy,
  { owner }: OldCluster,
  stack: DockerStack,
  { running }: OldVolume,
): Promise<void> {
  const supers = await askCopy(copy, owner, "select rolname from pg_authid where rolsuper");
  const names = "select datname from pg_database where datallowconn and not datistemplate";
  const databases = await askCopy(copy, owner, names);
  const problems = [
    ...describeWrongName("pgstead:postgres.superuser", stack.superuser, supers),
    ...describeWrongName("pgstead:database", stack.database, databases),
  ];
  if (problems.length === 0) return;
  await removeTarget(copy);
  const restart = running.length > 0 ? `; "docker start ${running.join(" ")}" starts it again` : "";
  throw refused(
    `the old stack has other names; its volume is unchanged${restart}: ${problems.join("; ")}`,
  );
}

const describeWrongName = (key: string, configured: string, found: string[]) =>
  found.includes(configured)
    ? []
    : [`${key} is "${configured}", and there is ${found.map((name) => `"${name}"`).join(", ")}`];
