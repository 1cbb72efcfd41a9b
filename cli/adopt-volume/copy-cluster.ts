import { CHANGE_MS } from "../../docker/run-docker.ts";
import { mistake, refused } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import { askEngine, findOnEngine, runInContainer } from "../stack/docker/ask-engine.ts";
import { createContainerError } from "./container-error.ts";
import type { OldCluster } from "./old-cluster.ts";

/**
 * The folder of a cluster until it is complete and checked. While this folder exists, the image's guard
 * refuses to make a new cluster.
 */
export const UNFINISHED = "adopting";

/** Files that the stack's image writes next to a new cluster. */
const MARKER_FILES = ["pgstead.json", ".pgstead.lock", ".pgstead-init"];

export interface Copy {
  env: NodeJS.ProcessEnv;
  image: string;
  /** The stack's volume. */
  to: string;
}

/** Creates the volume with the stack's labels; refuses one with other files than a killed run leaves. */
export async function prepareTarget(copy: Copy, labels: string[]): Promise<void> {
  const { env, to } = copy;
  const create = ["volume", "create", ...labels.flatMap((label) => ["--label", label]), to];
  await askEngine(env, create, CHANGE_MS);
  // Images before 18 mount a volume at "data", which leaves an empty folder.
  const look = "cd /new && { rmdir data 2>/dev/null || true; } && ls -A";
  const held = (await inVolumes(copy, [], look)).split("\n").filter(Boolean);
  const isOurs = held.every((name) => [UNFINISHED, ...MARKER_FILES].includes(name));
  if (held.length === 0 || (held.includes(UNFINISHED) && isOurs)) return emptyTarget(copy);
  throw refused(
    `volume "${to}" holds something already (${held.slice(0, 3).join(", ")}); a cluster is adopted only into a stack that has none. Use another stack, or remove that volume if nobody needs it`,
  );
}

/** Checked before hours of copying. A dump is not larger than the cluster; a loaded cluster is about equal. */
export async function assertRoom(copy: Copy, { kilobytes }: OldCluster): Promise<void> {
  const free = Number(await inVolumes(copy, [], "df -Pk /new | awk 'NR == 2 { print $4 }'"));
  if (free > kilobytes) return;
  await removeTarget(copy);
  throw mistake(
    `volume "${copy.to}" has room for ${formatBytes(free * 1024)}, and the cluster takes ${formatBytes(kilobytes * 1024)}; make room on the engine's disk`,
  );
}

export async function copyCluster(copy: Copy, from: string, cluster: OldCluster): Promise<void> {
  const script = `cp -a "/old/${cluster.path}/." /new/${UNFINISHED}/ &&
    rm -f /new/${UNFINISHED}/postmaster.pid && chmod 0700 /new/${UNFINISHED} &&
    chown ${cluster.owner}:${cluster.owner} /new /new/${UNFINISHED} && sync`;
  await inVolumes(copy, ["-v", `${from}:/old:ro`], script);
}

/** Keeps the folder itself, so that an `up` meanwhile finds an unfinished adoption. */
export async function emptyTarget(copy: Copy): Promise<void> {
  const markers = MARKER_FILES.map((name) => `/new/${name}`).join(" ");
  const script = `mkdir -p /new/${UNFINISHED} && find /new/${UNFINISHED} -mindepth 1 -delete && rm -f ${markers}`;
  await inVolumes(copy, [], script);
}

/** The last step: a rename, so that a kill leaves it either undone or done. */
export async function putInPlace(copy: Copy, major: string): Promise<void> {
  const script = `owner=$(stat -c %u /new/${UNFINISHED}) && mkdir -p /new/${major} &&
    chown "$owner:$owner" /new /new/${major} && sync &&
    mv /new/${UNFINISHED} /new/${major}/docker && sync`;
  await inVolumes(copy, [], script);
}

/** Asks the copy in single-user mode, without a network or a password; returns one column. */
export async function askCopy(copy: Copy, owner: number, sql: string): Promise<string[]> {
  const mount = ["-v", `${copy.to}:/new`];
  const run = ["run", "--rm", "-i", "--network", "none", "--user", String(owner), ...mount];
  const server = `printf '%s\\n' "$1" | postgres --single -D /new/${UNFINISHED} template1`;
  const args = [...run, "--entrypoint", "sh", copy.image, "-c", server, "sh", sql];
  const answer = await runInContainer(copy.env, args, 3_600_000);
  if (answer.kind !== "found") throw createContainerError(copy.env, answer);
  return [...answer.stdout.matchAll(/^\t *1: \w+ = "(.*?)"\t/gm)].map(
    ([, value]) => value as string,
  );
}

/** A docker command that prints a dump of the copy; its server listens on a private socket only. */
export function dumpOfCopy(copy: Copy, owner: number, superuser: string): string[] {
  const mount = ["-v", `${copy.to}:/new`];
  const run = ["run", "--rm", "--network", "none", "--user", String(owner), ...mount];
  const script = `echo 'local all all trust' >/tmp/hba && cd /tmp &&
    pg_ctl -D /new/${UNFINISHED} -w -t 3600 -l /tmp/log -o "-c hba_file=/tmp/hba -c listen_addresses='' -c unix_socket_directories=/tmp -c archive_mode=off" start >&2 || { cat /tmp/log >&2; exit 1; }
    pg_dumpall -h /tmp -U "$1" --quote-all-identifiers; code=$?
    pg_ctl -D /new/${UNFINISHED} -w -t 3600 -m fast stop >&2 && exit $code`;
  return [...run, "--entrypoint", "sh", copy.image, "-c", script, "sh", superuser];
}

export async function removeTarget({ env, to }: Copy): Promise<void> {
  await findOnEngine(env, ["volume", "rm", to], CHANGE_MS);
}

async function inVolumes({ env, image, to }: Copy, mounts: string[], script: string) {
  const run = ["run", "--rm", "--network", "none", "--user", "0", "-v", `${to}:/new`, ...mounts];
  const line = [...run, "--entrypoint", "sh", image, "-c", script];
  const answer = await runInContainer(env, line, 24 * 3_600_000);
  if (answer.kind !== "found") throw createContainerError(env, answer);
  return answer.stdout.trim();
}
