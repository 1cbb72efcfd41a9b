import { mistake, refused } from "../../operate/error.ts";
import { askEngine, findOnEngine } from "../stack/docker/ask-engine.ts";

export interface OldVolume {
  name: string;
  /** Image of a container that mounts it, which can read it. */
  image: string | undefined;
  /** Running containers that mount it. */
  running: string[];
}

interface Mount {
  Type: string;
  Name?: string;
  Destination: string;
}

const DATA = "/var/lib/postgresql";

/** Finds a volume by its name, or by a container whose cluster it holds. */
export async function findOldVolume(
  env: NodeJS.ProcessEnv,
  named: string | undefined,
  container: string | undefined,
): Promise<OldVolume> {
  const name = container ? await volumeOf(env, container, named) : named;
  if (!name) throw mistake("which volume? give its name, or --from-container");
  if ((await findOnEngine(env, ["volume", "inspect", name])) === undefined) {
    throw mistake(`there is no volume "${name}"; "docker volume ls" lists the volumes`);
  }
  const users = ["--filter", `volume=${name}`, "--format", "{{.Names}}"];
  const running = await readLines(env, ["ps", ...users]);
  const from = container ?? (await readLines(env, ["ps", "-a", ...users]))[0];
  const image = from && (await readLines(env, ["inspect", "--format", "{{.Image}}", from]))[0];
  return { name, image: image || undefined, running };
}

/**
 * The volume that contains PGDATA. With PostgreSQL 18 that is not the volume at
 * `/var/lib/postgresql/data`, which stays empty, but the anonymous one at `/var/lib/postgresql`.
 */
async function volumeOf(env: NodeJS.ProcessEnv, container: string, named: string | undefined) {
  const format = "{{json .Mounts}} {{range .Config.Env}}{{println .}}{{end}}";
  const inspect = ["container", "inspect", "--format", format, container];
  const found = await findOnEngine(env, inspect);
  if (found === undefined) {
    throw mistake(`there is no container "${container}"; "docker ps -a" lists the containers`);
  }
  const end = `${found} `.indexOf("] ") + 1;
  const mounts: Mount[] = JSON.parse(found.slice(0, end));
  const path = /^ ?PGDATA=(.*)$/m.exec(found.slice(end))?.[1] ?? `${DATA}/data`;
  const [holding] = mounts
    .filter(({ Destination }) => path === Destination || path.startsWith(`${Destination}/`))
    .sort((a, b) => b.Destination.length - a.Destination.length);
  if (!holding) {
    throw mistake(
      `container "${container}" keeps its cluster (${path}) in no volume; copy it out first: docker cp ${container}:${path} ./cluster`,
    );
  }
  if (holding.Type !== "volume" || !holding.Name) {
    throw mistake(
      `container "${container}" keeps its cluster in a folder of the host (${holding.Type} at ${holding.Destination}), which is no volume; create one (docker volume create old), copy the cluster there, and adopt "old"`,
    );
  }
  if (named && named !== holding.Name) {
    throw refused(
      `container "${container}" keeps its cluster in volume "${holding.Name}", not in "${named}"; leave the name out, or give that one`,
    );
  }
  return holding.Name;
}

async function readLines(env: NodeJS.ProcessEnv, args: string[]): Promise<string[]> {
  return (await askEngine(env, args)).split("\n").filter(Boolean);
}
