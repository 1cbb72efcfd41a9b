import { execFile } from "node:child_process";
import { readStackFacts } from "../../../config/stack-facts.ts";
import { type ExpectedError, unreachable } from "../../../operate/error.ts";
import { Settings } from "../../../operate/settings.ts";
import { readStackFile } from "../stack-file.ts";

/** A stack whose database runs in containers, as its file declares it: no state is needed to act. */
export interface DockerStack {
  stack: string;
  /** Container names. */
  postgres: string;
  agent: string;
  database: string;
  superuser: string;
  /** Its data is not to be deleted. */
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

/** Settings that reach no server, for verbs that can do without one. */
export const nowhere = ({ stack, database, migrations }: DockerStack): Settings =>
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

/** Undefined where there is no such container. */
export async function containerState(
  env: NodeJS.ProcessEnv,
  container: string,
): Promise<string | undefined> {
  const format = ["container", "inspect", "--format", "{{.State.Status}}", container];
  const { code, stdout, stderr } = await docker(env, format);
  if (code === 0) return stdout.trim();
  if (/no such container/i.test(stderr)) return undefined;
  throw engineError(env, stderr);
}

/** Id of the image of a container of ours; to refuse a stranger's of that name is up to who makes it. */
export async function imageOf(
  env: NodeJS.ProcessEnv,
  container: string,
): Promise<string | undefined> {
  const format = '{{.Image}} {{index .Config.Labels "pgstead.stack"}}';
  const inspect = ["container", "inspect", "--format", format, container];
  const { code, stdout, stderr } = await docker(env, inspect);
  if (code === 0) {
    const [image, stack] = stdout.trim().split(" ");
    return stack ? image : undefined;
  }
  if (/no such container/i.test(stderr)) return undefined;
  throw engineError(env, stderr);
}

export async function notRunning(of: DockerStack, container: string): Promise<ExpectedError> {
  const state = await containerState(of.env, container);
  const what = state ? `is ${state}` : "does not exist";
  return unreachable(
    `container "${container}" ${what}; "pgstead up --stack ${of.stack}" starts it${state ? `, "docker logs ${container}" may say why` : ""}`,
  );
}

export interface Answer {
  code: number | string | null;
  stdout: string;
  stderr: string;
}

export function docker(env: NodeJS.ProcessEnv, args: string[], timeout = 60_000): Promise<Answer> {
  return new Promise((resolve) => {
    execFile("docker", args, { env, timeout, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({
        code: error ? (error.code ?? 1) : 0,
        stdout,
        stderr: stderr || error?.message || "",
      }),
    );
  });
}

/** Asked before Pulumi is: its plugin says of each resource that "any docker daemon" failed it. */
export async function assertEngineAnswers({ env }: DockerStack): Promise<void> {
  const { code, stderr } = await docker(env, ["version", "--format", "{{.Server.Version}}"]);
  if (code !== 0) throw engineError(env, stderr);
}

/** What to do about an engine that does not answer, in place of the client's own words. */
export function engineError(env: NodeJS.ProcessEnv, stderr: string): ExpectedError {
  const at = env.DOCKER_HOST ? ` at ${env.DOCKER_HOST}` : "";
  const reason = stderr.trim().split("\n")[0] ?? "";
  if (/ENOENT/.test(stderr)) {
    return unreachable("there is no docker client here: https://docs.docker.com/engine/install/");
  }
  if (/permission denied/i.test(stderr)) {
    return unreachable(
      `this user may not use the Docker engine${at}; add the user to the group "docker" and log in again`,
    );
  }
  if (/cannot connect|is the docker daemon running|connection refused/i.test(stderr)) {
    return unreachable(`no Docker engine answers${at}; start it (${reason})`);
  }
  return unreachable(`the Docker engine${at} is out of reach: ${reason}`);
}
