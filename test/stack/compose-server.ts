import { spawnSync } from "node:child_process";
import { docker } from "../support/server-container.ts";
import { until } from "../support/until.ts";

export const DATA = "/var/lib/postgresql/data";

/** Returns a function that gives the arguments of `docker run` for a volume at this path. */
export const at =
  (path: string, ...more: string[]) =>
  (volume: string) => [...["-v", `${volume}:${path}`], ...more];

export const TABLE =
  "create extension vector; create table workspaces as select i, array_fill(i, array[3])::vector(3) as v from generate_series(1, 500) i";

/** Starts servers like a compose file, each with a table, and removes their containers and volumes. */
export class ComposeServers {
  private readonly containers: string[] = [];
  private readonly volumes: string[] = [];
  private readonly prefix: string;
  private readonly image: string;

  constructor(prefix: string, image: string) {
    this.prefix = prefix;
    this.image = image;
  }

  async start(options: (volume: string) => string[], sql = TABLE) {
    const name = `${this.prefix}-old${this.volumes.length}`;
    const volume = `${name}_postgres_data`;
    this.volumes.push(volume);
    this.containers.push(name);
    docker("volume", "create", volume);
    const env = ["POSTGRES_USER=aexy", "POSTGRES_DB=aexy", "POSTGRES_PASSWORD=old"];
    const given = [...env.flatMap((each) => ["-e", each]), ...options(volume)];
    docker("run", "-d", "--name", name, ...given, this.image);
    const probe = ["exec", name, "pg_isready", "-q", "-h", "127.0.0.1"];
    await until(() => spawnSync("docker", probe).status === 0);
    const psql = ["exec", "-i", name, "psql", "-h", "127.0.0.1", "-U", "aexy", "-Xq"];
    const stop = ["-v", "ON_ERROR_STOP=1", "-o", "/dev/null"];
    const { status, stderr } = spawnSync("docker", [...psql, ...stop], {
      encoding: "utf8",
      input: sql,
    });
    if (status !== 0) throw new Error(stderr);
    return { name, volume };
  }

  removeContainers(): void {
    spawnSync("docker", ["rm", "-fv", ...this.containers.splice(0)]);
  }

  removeVolumes(): void {
    spawnSync("docker", ["volume", "rm", "-f", ...this.volumes]);
  }
}

/** A checksum of the names, sizes and times of all files of a volume, to show that nothing changed. */
export const digestFiles = (volume: string, image: string) =>
  docker(
    ...[
      "run",
      "--rm",
      "--network",
      "none",
      "-v",
      `${volume}:/v`,
      "--entrypoint",
      "sh",
      image,
      "-c",
    ],
    "cd /v && find . -type f -printf '%p %s %T@\\n' | sort | sha256sum",
  );
