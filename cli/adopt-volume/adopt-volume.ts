import { join } from "node:path";
import { mistake, refused } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import type { DockerStack } from "../stack/docker/docker-stack.ts";
import { containerState, docker, engineError } from "../stack/docker/docker-stack.ts";
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
import { findCluster, type OldCluster, whyUnreadable } from "./old-cluster.ts";
import { findOldVolume, type OldVolume } from "./old-volume.ts";
import { saveDump } from "./save-dump.ts";
import { buildStackImage, removeStackImage } from "./stack-image.ts";
import type { ServerWanted } from "./wanted.ts";

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
  /** What runs on the old volume may be stopped. */
  mayStop: boolean;
  note: (line: string) => void;
}

export interface Adopted {
  from: string;
  cluster: OldCluster;
  to: string;
  /** Why the files cannot be served as they are: a new cluster is loaded from the dump instead. */
  loaded: string | null;
  dump: string | null;
}

/**
 * Brings a cluster that some compose file, or another stack, has made onto the stack's own volume, in
 * the layout that the stack's server looks for: its files, or what a dump of them holds where this
 * server cannot read them. The old volume is only ever read.
 */
export async function adoptVolume(adoption: Adoption): Promise<Adopted> {
  const { stack, wanted, note, root } = adoption;
  const to = `${stack.stack}-data`;
  await assertDown(stack);
  const old = await findOldVolume(stack.env, adoption.volume, adoption.container);
  if (old.name === to) throw mistake(`"${to}" is the stack's own volume; "pgstead up" takes it up`);
  const theirs = adoption.image ?? old.image;
  const image = theirs ?? (await buildStackImage(root, stack, note));
  const cluster = await findCluster(stack.env, image, old.name, adoption.cluster);
  const loaded = whyUnreadable(cluster, wanted) ?? null;
  const size = formatBytes(cluster.kilobytes * 1024);
  note(`volume "${old.name}": PostgreSQL ${cluster.major} at "${cluster.path}", ${size}`);
  if (loaded) {
    note(`${loaded}: it is dumped by its own server, and the dump loaded into a new cluster`);
    if (!theirs) throw noServerFor(old, cluster);
  }
  const adopted = { from: old.name, cluster, to, loaded };
  if (adoption.dryRun) return { ...adopted, dump: null };
  const dump = join(root, ".pgstead", stack.stack, `adopted-${old.name}-${stamp()}.sql.gz`);
  assertMayStop(adoption, old);
  // Of what is loaded the dump must be the last word, so it is taken once nothing writes any more.
  const isDumped = !loaded && (await dumpRunning(adoption, old, dump));
  const copy: Copy = { env: stack.env, image, to };
  // While the old server still serves: what would end the adoption here is no reason to stop it.
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

function noServerFor({ name }: OldVolume, { major }: OldCluster) {
  return mistake(
    `no container says which image served volume "${name}"; name one that can: --image pgvector/pgvector:pg${major}`,
  );
}

/** The copy has been dumped; what the stack's own server makes of the dump takes its place. */
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

/** A server that runs is asked itself, before anything is stopped. */
async function dumpRunning({ stack, note }: Adoption, old: OldVolume, file: string) {
  const [container, ...others] = old.running;
  if (!container || others.length > 0) return false;
  const probe = ["exec", container, "pg_isready", "-q"];
  if ((await docker(stack.env, probe)).code !== 0) return false;
  note(`dumping what runs in "${container}" to ${file}`);
  const dump = ["exec", "-u", "postgres", container, "pg_dumpall", "-U", stack.superuser];
  await saveDump(stack.env, dump, file).catch((error: Error) => {
    if (!/role ".*" does not exist/.test(error.message)) throw error;
    const key = `pgstead:postgres.superuser is "${stack.superuser}"`;
    throw mistake(
      `${key}, and the old server has none of that name; set it to the old POSTGRES_USER`,
    );
  });
  return true;
}

function assertMayStop({ mayStop }: Adoption, { name, running }: OldVolume): void {
  if (running.length === 0 || mayStop) return;
  const names = running.map((each) => `"${each}"`).join(", ");
  throw refused(
    `volume "${name}" is in use by ${names}; stop that first, or let it be stopped (--yes)`,
  );
}

/** Of files that a server writes meanwhile a copy is worth nothing. */
async function stopUsers({ stack, note }: Adoption, { running }: OldVolume): Promise<void> {
  if (running.length === 0) return;
  const names = running.map((each) => `"${each}"`).join(", ");
  note(`stopping ${names}`);
  const { code, stderr } = await docker(stack.env, ["stop", "--time", "120", ...running], 200_000);
  if (code !== 0) throw engineError(stack.env, stderr);
}

/** Names are configuration: asked of the copy, for only a server can read them. */
async function assertNames(
  copy: Copy,
  { owner }: OldCluster,
  stack: DockerStack,
  { running }: OldVolume,
): Promise<void> {
  const supers = await askCopy(copy, owner, "select rolname from pg_authid where rolsuper");
  const names = "select datname from pg_database where datallowconn and not datistemplate";
  const databases = await askCopy(copy, owner, names);
  const said = [
    ...wrong("pgstead:postgres.superuser", stack.superuser, supers),
    ...wrong("pgstead:database", stack.database, databases),
  ];
  if (said.length === 0) return;
  await removeTarget(copy);
  const back = running.length > 0 ? `; "docker start ${running.join(" ")}" brings it back` : "";
  throw refused(
    `the old stack has other names, and its volume is as it was${back}: ${said.join("; ")}`,
  );
}

const wrong = (key: string, configured: string, found: string[]) =>
  found.includes(configured)
    ? []
    : [`${key} is "${configured}", and there is ${found.map((name) => `"${name}"`).join(", ")}`];
