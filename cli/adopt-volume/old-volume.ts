import { mistake, refused } from "../../operate/error.ts";
import { docker, engineError } from "../stack/docker/docker-stack.ts";

export interface OldVolume {
  name: string;
  /** An image that can read it: its container's, where there is one. */
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

/** The volume by its name, or the one in which a container's cluster lies, which may have no name. */
export async function findOldVolume(
  env: NodeJS.ProcessEnv,
  named: string | undefined,
  container: string | undefined,
): Promise<OldVolume> {
  const name = container ? await volumeOf(env, container, named) : named;
  if (!name) throw mistake("which volume? give its name, or --from-container");
  const { code, stderr } = await docker(env, ["volume", "inspect", name]);
  if (code !== 0) {
    if (!/no such volume/i.test(stderr)) throw engineError(env, stderr);
    throw mistake(`there is no volume "${name}"; "docker volume ls" lists those there are`);
  }
  const users = await lines(env, [
    "ps",
    "-a",
    "--filter",
    `volume=${name}`,
    "--format",
    "{{.Names}}",
  ]);
  const running = await lines(env, ["ps", "--filter", `volume=${name}`, "--format", "{{.Names}}"]);
  const from = container ?? users[0];
  const image = from && (await lines(env, ["inspect", "--format", "{{.Image}}", from]))[0];
  return { name, image: image || undefined, running };
}

/**
 * On 18 a volume mounted at `/var/lib/postgresql/data` stays empty: the cluster lies in the anonymous
 * one at `/var/lib/postgresql`. So the volume is the one below which the server's own path is.
 */
async function volumeOf(env: NodeJS.ProcessEnv, container: string, named: string | undefined) {
  const format = "{{json .Mounts}} {{range .Config.Env}}{{println .}}{{end}}";
  const { code, stdout } = await docker(env, ["inspect", "--format", format, container]);
  if (code !== 0) throw mistake(`there is no container "${container}"`);
  const mounts: Mount[] = JSON.parse(stdout.slice(0, stdout.indexOf("] ") + 1));
  const path =
    /^ ?PGDATA=(.*)$/m.exec(stdout.slice(stdout.indexOf("] ") + 1))?.[1] ?? `${DATA}/data`;
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
      `container "${container}" keeps its cluster in a folder of the host (${holding.Type} at ${holding.Destination}), which is no volume; docker volume create old, copy it there, and adopt "old"`,
    );
  }
  if (named && named !== holding.Name) {
    throw refused(
      `container "${container}" keeps its cluster in volume "${holding.Name}", not in "${named}"; leave the name out, or give that one`,
    );
  }
  return holding.Name;
}

async function lines(env: NodeJS.ProcessEnv, args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await docker(env, args);
  if (code !== 0) throw engineError(env, stderr);
  return stdout.split("\n").filter(Boolean);
}
