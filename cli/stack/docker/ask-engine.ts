import { describeFailure } from "../../../docker/describe-failure.ts";
import { CHANGE_MS, type DockerAnswer, LOOK_MS, runDocker } from "../../../docker/run-docker.ts";
import { type ExpectedError, unreachable } from "../../../operate/error.ts";

/** What the command prints; undefined only where the engine says that its object does not exist. */
export async function findOnEngine(
  env: NodeJS.ProcessEnv,
  args: string[],
  timeoutMs = LOOK_MS,
): Promise<string | undefined> {
  const answer = await runDocker(args, { env, timeoutMs });
  if (answer.kind === "not found") return undefined;
  if (answer.kind !== "found") throw createEngineError(env, answer);
  return answer.stdout.trim();
}

/** What the command prints; a missing object is an error, too. */
export async function askEngine(
  env: NodeJS.ProcessEnv,
  args: string[],
  timeoutMs = LOOK_MS,
): Promise<string> {
  const answer = await runDocker(args, { env, timeoutMs });
  if (answer.kind !== "found") throw createEngineError(env, answer);
  return answer.stdout.trim();
}

/** `exec` and `run`: the program's failure is an answer, an engine that is out of reach is an error. */
export async function runInContainer(
  env: NodeJS.ProcessEnv,
  args: string[],
  timeoutMs = CHANGE_MS,
): Promise<DockerAnswer> {
  const answer = await runDocker(args, { env, timeoutMs });
  if (answer.kind === "unreachable") throw createEngineError(env, answer);
  return answer;
}

/** Before Pulumi starts: its plugin reports "any docker daemon" once for each resource. */
export const assertEngineAnswers = ({ env }: { env: NodeJS.ProcessEnv }): Promise<string> =>
  askEngine(env, ["version", "--format", "{{.Server.Version}}"]);

export const createEngineError = (env: NodeJS.ProcessEnv, answer: DockerAnswer): ExpectedError =>
  unreachable(describeFailure(answer, env.DOCKER_HOST));
