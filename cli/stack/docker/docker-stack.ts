import { readStackFacts } from "../../../config/stack-facts.ts";
import { type ExpectedError, unreachable } from "../../../operate/error.ts";
import { Settings } from "../../../operate/settings.ts";
import { readStackFile } from "../stack-file.ts";
import { findOnEngine } from "./ask-engine.ts";

/** A stack whose database runs in containers. Its file is enough: Pulumi's state is not read. */
export interface DockerStack {
  stack: string;
  /** Container names. */
  postgres: string;
  agent: string;
  database: string;
  superuser: string;
  /** Its data must not be deleted. */
  isProtected: boolean;
  /** Folder of the SQL, relative to the project. */
  migrations: string;
  /** The environment for the docker client. */
  env: NodeJS.ProcessEnv;
}

export function readDockerStack(root: string, stack: string): DockerStack | undefined {
  const { config } = readStackFile(root, stack);
  const { engine, database, superuser, isProtected, migrations } = readStackFacts(config);
  if (engine !== "docker") return undefined;
  const host = config?.["docker:host"] as string | undefined;
  return {
    stack,
    postgres: `${stack}-postgres`,
    agent: `${stack}-agent`,
    database,
    superuser,
    isProtected,
    migrations,
    env: { ...process.env, ...(host && { DOCKER_HOST: host }) },
  };
}

/** Settings without a server, for verbs that need none. */
export const settingsWithoutServer = ({ stack, database, migrations }: DockerStack): Settings =>
  Settings.parse({
    stack,
    engine: "docker",
    database: { host: "/nonexistent", port: 5432, name: database, user: "migrator" },
    migrations: { folder: migrations },
  });

export async function isRunning({ env }: DockerStack, container: string): Promise<boolean> {
  const state = await containerState(env, container);
  return state === "running";
}

/** Undefined if there is no such container. */
export const containerState = (
  env: NodeJS.ProcessEnv,
  container: string,
): Promise<string | undefined> =>
  findOnEngine(env, ["container", "inspect", "--format", "{{.State.Status}}", container]);

/** Image id of a container that has our labels; undefined for another one, which its guard refuses. */
export async function imageOf(
  env: NodeJS.ProcessEnv,
  container: string,
): Promise<string | undefined> {
  const format = '{{.Image}} {{index .Config.Labels "pgstead.stack"}}';
  const found = await findOnEngine(env, ["container", "inspect", "--format", format, container]);
  const [image, stack] = found?.split(" ") ?? [];
  return stack ? image : undefined;
}

export async function notRunning(of: DockerStack, container: string): Promise<ExpectedError> {
  const state = await containerState(of.env, container);
  const what = state ? `is ${state}` : "does not exist";
  return unreachable(
    `container "${container}" ${what}; "pgstead up --stack ${of.stack}" starts it${state ? `, "docker logs ${container}" may say why` : ""}`,
  );
}
