import { mistake, refused } from "../../operate/error.ts";
import { docker } from "../stack/docker-stack.ts";
import { failedIn } from "./failed-in.ts";

export interface OldCluster {
  /** Below the volume's root; "." where the volume is the cluster. */
  path: string;
  major: string;
  /** User id that owns the files. */
  owner: number;
  kilobytes: number;
}

/** pg_control is in every cluster and in none of its databases, which have a PG_VERSION of their own. */
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
  const { code, stdout, stderr } = await docker(env, look, 600_000);
  if (code !== 0) throw failedIn(env, code, stderr);
  const found = stdout.split("\n").filter(Boolean).map(read);
  const wanted = chosen ? found.filter(({ path }) => path === chosen) : found;
  const names = found.map(({ path, major }) => `${path} (PostgreSQL ${major})`).join(", ");
  if (found.length === 0) {
    throw mistake(
      `volume "${volume}" holds no cluster. On PostgreSQL 18 a volume mounted at /var/lib/postgresql/data stays empty, and the data lies in one without a name: give its container with --from-container`,
    );
  }
  const [cluster, ...others] = wanted;
  if (!cluster) throw mistake(`there is no cluster at "${chosen}"; there is: ${names}`);
  if (others.length > 0) {
    throw mistake(
      `volume "${volume}" holds more than one cluster: ${names}; choose with --cluster`,
    );
  }
  if (cluster.links > 0) {
    throw refused(
      `the cluster at "${cluster.path}" has tablespaces or WAL outside of it, which a copy would leave behind; dump it (pg_dumpall) and load that into the stack`,
    );
  }
  return cluster;
}

function read(line: string): OldCluster & { links: number } {
  const [path = "", major = "", owner, kilobytes, links] = line.split("|");
  const shown = path.replace(/^\.\//, "");
  return {
    ...{ path: shown, major, owner: Number(owner) },
    ...{ kilobytes: Number(kilobytes), links: Number(links) },
  };
}

/** The official images' ids of the user `postgres`. */
const USERS: Record<number, string> = { 70: "alpine", 999: "debian" };

/** A copy would not be served: refused before anything is copied. */
export function assertFits(cluster: OldCluster, wanted: { major: string; base: string }): void {
  if (cluster.major !== wanted.major) {
    throw refused(
      `the cluster is of PostgreSQL ${cluster.major} and the stack's server is ${wanted.major}, which cannot read it. Set pgstead:postgres.version to "${cluster.major}", or dump it with the server it has (docker exec OLD pg_dumpall -U USER >all.sql), "pgstead up", and load that (pgstead psql -f all.sql)`,
    );
  }
  const base = USERS[cluster.owner];
  if (base === wanted.base) return;
  const of = base
    ? `comes from ${base} (user ${cluster.owner})`
    : `belongs to user ${cluster.owner}`;
  const fix = base
    ? `set pgstead:postgres.base to "${base}"`
    : "an image of ours has no such user: dump it and load that";
  throw refused(
    `the cluster ${of} and the stack's image is ${wanted.base}: text may be ordered otherwise there, and indexes would be wrong; ${fix}`,
  );
}
