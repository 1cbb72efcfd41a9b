import { describeFailure } from "../docker/describe-failure.ts";
import { LOOK_MS, runDocker } from "../docker/run-docker.ts";
import { ConfigError } from "./error.ts";
import { reportExitCode } from "./pgstead.ts";

/** As in the table of `pgstead`'s exit codes. */
const UNREACHABLE = 3;

/** What the command prints; undefined only where the engine says that its object does not exist. */
export async function askDocker(
  args: string[],
  host?: string,
  timeoutMs = LOOK_MS,
): Promise<string | undefined> {
  const env = { ...process.env, ...(host && { DOCKER_HOST: host }) };
  const answer = await runDocker(args, { env, timeoutMs });
  if (answer.kind === "found") return answer.stdout.trim();
  if (answer.kind === "not found") return undefined;
  reportExitCode(UNREACHABLE);
  throw new ConfigError(describeFailure(answer, env.DOCKER_HOST));
}
