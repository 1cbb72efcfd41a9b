import { ConfigError } from "../error.ts";
import { reportExitCode, runPgstead } from "../pgstead.ts";

/** The data that a refused change would lose. */
export interface DataAtRisk {
  /** First part of the names on the engine. */
  prefix: string;
  /** Volume of the data. @default - `<prefix>-data` */
  volume?: string | undefined;
  /** The volume does not exist any more. @default false */
  gone?: boolean;
  /** Address of the Docker engine. @default - the docker client's own */
  dockerHost?: string | undefined;
}

/** From the table of `pgstead`'s exit codes. */
const REFUSED = 4;

/** Creates the error that a guard throws: the message, followed by the data that is at risk. */
export async function createRefusal(message: string, { dockerHost, ...data }: DataAtRisk) {
  const env: Record<string, string> = dockerHost ? { DOCKER_HOST: dockerHost } : {};
  const atRisk = await runPgstead(["step", "at-stake"], { stdin: JSON.stringify(data), env });
  reportExitCode(REFUSED);
  return new ConfigError(`${message}. ${atRisk}`);
}
