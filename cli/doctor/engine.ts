import {
  containerState,
  type DockerStack,
  docker,
  engineError,
  readDockerStack,
} from "../stack/docker/docker-stack.ts";
import type { Finding } from "./finding.ts";

/** The engine of a stack of containers. */
export async function engine(root: string, stack: string): Promise<Finding | undefined> {
  const declared = readDockerStack(root, stack);
  if (!declared) return undefined;
  const { env } = declared;
  const { code, stdout, stderr } = await docker(env, [
    "version",
    "--format",
    "{{.Server.Version}}",
  ]);
  if (code !== 0) {
    return { name: "engine", state: "missing", detail: engineError(env, stderr).message };
  }
  const at = env.DOCKER_HOST ? ` at ${env.DOCKER_HOST}` : "";
  return { name: "engine", state: "ok", detail: `Docker ${stdout.trim()}${at}` };
}

/** Its server; an engine that does not answer has been told of already. */
export async function serverContainer(declared: DockerStack): Promise<Finding> {
  const { postgres, stack, env } = declared;
  const state = await containerState(env, postgres).catch(() => "not known");
  const detail = `container "${postgres}" ${state ? `is ${state}` : "does not exist"}`;
  if (state === "running") return { name: "server", state: "ok", detail };
  return { name: "server", state: "note", detail, fix: `pgstead up --stack ${stack}` };
}
