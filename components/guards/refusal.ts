import { ConfigError } from "../error.ts";
import { reportExitCode, runPgstead } from "../pgstead.ts";

/** Whose data a guard speaks of. */
export interface Stake {
  /** First part of the names on the engine. */
  prefix: string;
  /** Volume of the data, where it may be another than the prefix says. */
  volume?: string | undefined;
  /** That volume is not there any more. */
  gone?: boolean;
  dockerHost?: string | undefined;
}

/** As in the table of `pgstead`'s exit codes. */
const REFUSED = 4;

/** What a guard throws: its reason and way out, and what is at stake, which is asked only then. */
export async function refusal(message: string, { dockerHost, ...stake }: Stake) {
  const env: Record<string, string> = dockerHost ? { DOCKER_HOST: dockerHost } : {};
  const said = await runPgstead(["step", "at-stake"], { stdin: JSON.stringify(stake), env });
  reportExitCode(REFUSED);
  return new ConfigError(`${message}. ${said}`);
}
