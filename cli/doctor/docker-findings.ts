import { describeFailure } from "../../docker/describe-failure.ts";
import { runDocker } from "../../docker/run-docker.ts";
import { containerState, type DockerStack } from "../stack/docker/docker-stack.ts";
import type { Finding } from "./finding.ts";

/** The engine of a stack of containers and, if the engine answers, the server's container. */
export async function findDocker(declared: DockerStack): Promise<Finding[]> {
  const { env } = declared;
  const answer = await runDocker(["version", "--format", "{{.Server.Version}}"], { env });
  if (answer.kind !== "found") {
    return [
      { name: "engine", state: "missing", detail: describeFailure(answer, env.DOCKER_HOST) },
      { name: "server", state: "note", detail: "not looked at without the engine" },
    ];
  }
  const at = env.DOCKER_HOST ? ` at ${env.DOCKER_HOST}` : "";
  const engine = `Docker ${answer.stdout.trim()}${at}`;
  return [{ name: "engine", state: "ok", detail: engine }, await findContainer(declared)];
}

async function findContainer({ postgres, stack, env }: DockerStack): Promise<Finding> {
  const state = await containerState(env, postgres).catch(() => "not known");
  const detail = `container "${postgres}" ${state ? `is ${state}` : "does not exist"}`;
  if (state === "running") return { name: "server", state: "ok", detail };
  return { name: "server", state: "note", detail, fix: `pgstead up --stack ${stack}` };
}
