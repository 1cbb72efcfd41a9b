import { mistake, refused } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import { docker, engineError } from "../stack/docker/docker-stack.ts";
import { failedIn } from "./failed-in.ts";
import type { OldCluster } from "./old-cluster.ts";

/**
 * Where a cluster lies until it is whole and has been looked at. As long as this folder is there, the
 * image's guard makes no cluster beside it.
 */
export const UNFINISHED = "adopting";

/** What the stack's image writes beside a cluster that it makes there. */
const MARKS = ["pgstead.json", ".pgstead.lock", ".pgstead-init"];

export interface Copy {
  env: NodeJS.ProcessEnv;
  image: string;
  /** The stack's volume. */
  to: string;
}

/** A volume that has the stack's labels and holds nothing yet, but perhaps what a killed run has left. */
export async function prepareTarget(copy: Copy, labels: string[]): Promise<void> {
  const { env, to } = copy;
  const made = ["volume", "create", ...labels.flatMap((label) => ["--label", label]), to];
  const { code, stderr } = await docker(env, made);
  if (code !== 0) throw engineError(env, stderr);
  // What images before 18 mount there leaves an empty folder behind.
  const look = "cd /new && { rmdir data 2>/dev/null || true; } && ls -A";
  const held = (await inVolumes(copy, [], look)).split("\n").filter(Boolean);
  const isLeft = held.every((name) => [UNFINISHED, ...MARKS].includes(name));
  if (held.length === 0 || (held.includes(UNFINISHED) && isLeft)) return emptyTarget(copy);
  throw refused(
    `volume "${to}" holds something already (${held.slice(0, 3).join(", ")}); a cluster is adopted into a stack that has none. Take another stack, or remove that volume if nobody needs it`,
  );
}

/** Before hours of copying: a dump takes no more than the cluster, and a loaded cluster about as much. */
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

/** The folder itself stays: an `up` in between must find that something is under way. */
export async function emptyTarget(copy: Copy): Promise<void> {
  const marks = MARKS.map((name) => `/new/${name}`).join(" ");
  const script = `mkdir -p /new/${UNFINISHED} && find /new/${UNFINISHED} -mindepth 1 -delete && rm -f ${marks}`;
  await inVolumes(copy, [], script);
}

/** The last step, and one that a kill leaves either undone or done. */
export async function putInPlace(copy: Copy, major: string): Promise<void> {
  const script = `owner=$(stat -c %u /new/${UNFINISHED}) && mkdir -p /new/${major} &&
    chown "$owner:$owner" /new /new/${major} && sync &&
    mv /new/${UNFINISHED} /new/${major}/docker && sync`;
  await inVolumes(copy, [], script);
}

/** Asks the copy without a network or a password: what single-user mode prints of one column. */
export async function askCopy(copy: Copy, owner: number, sql: string): Promise<string[]> {
  const mount = ["-v", `${copy.to}:/new`];
  const run = ["run", "--rm", "-i", "--network", "none", "--user", String(owner), ...mount];
  const server = `printf '%s\\n' "$1" | postgres --single -D /new/${UNFINISHED} template1`;
  const args = [...run, "--entrypoint", "sh", copy.image, "-c", server, "sh", sql];
  const { code, stdout, stderr } = await docker(copy.env, args, 3_600_000);
  if (code !== 0) throw failedIn(copy.env, code, stderr);
  return [...stdout.matchAll(/^\t *1: \w+ = "(.*?)"\t/gm)].map(([, value]) => value as string);
}

/** A shell line that prints a dump of the copy: a server of its own, which nobody can reach. */
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
  await docker(env, ["volume", "rm", to]);
}

async function inVolumes({ env, image, to }: Copy, mounts: string[], script: string) {
  const run = ["run", "--rm", "--network", "none", "--user", "0", "-v", `${to}:/new`, ...mounts];
  const line = [...run, "--entrypoint", "sh", image, "-c", script];
  const { code, stdout, stderr } = await docker(env, line, 24 * 3_600_000);
  if (code !== 0) throw failedIn(env, code, stderr);
  return stdout.trim();
}
