import { mistake, refused } from "../../operate/error.ts";
import { runInContainer } from "../stack/docker/ask-engine.ts";
import { createContainerError } from "./container-error.ts";
import type { ServerWanted } from "./server-wanted.ts";

export interface OldCluster {
  /** Below the volume's root; "." where the volume is the cluster. */
  path: string;
  major: string;
  /** User id that owns the files. */
  owner: number;
  kilobytes: number;
}

/** Looks for pg_control, because the folder of each database has a PG_VERSION, too. */
const LOOK = `cd /old && find . -maxdepth 5 -path '*/global/pg_control' | while read -r found; do
  cluster=$(dirname "$(dirname "$found")")
  links=$(find "$cluster/pg_tblspc" "$cluster/pg_wal" -maxdepth 1 -type l 2>/dev/null | wc -l)
  echo "$cluster|$(cat "$cluster/PG_VERSION")|$(stat -c %u "$cluster/PG_VERSION")|$(du -sk "$cluster" | cut -f 1)|$links"
done`;

export async function findCluster(
  env: NodeJS.ProcessEnv,
  image: string,
  volume: string,
  chosen: string | undefined,
): Promise<OldCluster> {
  const args = ["run", "--rm", "--network", "none", "--user", "0", "-v", `${volume}:/old:ro`];
  const look = [...args, "--entrypoint", "sh", image, "-c", LOOK];
  const answer = await runInContainer(env, look, 600_000);
  if (answer.kind !== "found") throw createContainerError(env, answer);
  const found = answer.stdout.split("\n").filter(Boolean).map(parseLine);
  const wanted = chosen ? found.filter(({ path }) => path === chosen) : found;
  const names = found.map(({ path, major }) => `${path} (PostgreSQL ${major})`).join(", ");
  if (found.length === 0) {
    throw mistake(
      `volume "${volume}" holds no cluster. On PostgreSQL 18 a volume mounted at /var/lib/postgresql/data stays empty, and the data is in a volume without a name: give its container with --from-container`,
    );
  }
  const [cluster] = wanted;
  if (!cluster) throw mistake(`there is no cluster at "${chosen}"; there is: ${names}`);
  if (wanted.length > 1) {
    throw mistake(
      `volume "${volume}" holds more than one cluster: ${names}; choose with --cluster`,
    );
  }
  if (cluster.links > 0) {
    throw refused(
      `the cluster at "${cluster.path}" has tablespaces or WAL outside of its folder, which a copy would miss; dump it (pg_dumpall) and load the dump into the stack`,
    );
  }
  return cluster;
}

function parseLine(line: string): OldCluster & { links: number } {
  const [path = "", major = "", owner, kilobytes, links] = line.split("|");
  const shown = path.replace(/^\.\//, "");
  return {
    ...{ path: shown, major, owner: Number(owner) },
    ...{ kilobytes: Number(kilobytes), links: Number(links) },
  };
}

/** Ids of the user `postgres` in the official images. */
const USERS: Record<number, string> = { 70: "alpine", 999: "debian" };

/** Why a server of the stack's image cannot serve these files; undefined if it can. */
export function explainUnreadable(
  { major, owner }: OldCluster,
  wanted: ServerWanted,
): string | undefined {
  if (major !== wanted.major) {
    return `the cluster is of PostgreSQL ${major}, and the stack's server is ${wanted.major}`;
  }
  const base = USERS[owner];
  if (base === wanted.base) return undefined;
  const from = base ? `comes from ${base}` : `belongs to user ${owner}`;
  return `the cluster ${from}, and the stack's image is ${wanted.base}, which may sort text differently`;
}
