import { DEFAULTS } from "../../../config/defaults.ts";
import { containerState, docker } from "../docker/docker-stack.ts";
import { describeLost } from "../docker/lost-data.ts";
import { describeLoss, serverFacts } from "../docker/server-facts.ts";

/** What a refusal of `pulumi up` asks about; the components' `refusal` writes it. */
export interface Stake {
  /** Of the containers' names, where no volume leads to others. */
  prefix: string;
  /** Volume of the data. */
  volume?: string;
  /** That volume is not there any more. */
  gone?: boolean;
}

/** What stands at risk; a server that does not answer is no reason to fail. */
export async function atStake(stake: Stake): Promise<string> {
  try {
    if (stake.gone) return await describeLost(stake.prefix);
    const prefix = await prefixOf(stake);
    const container = `${prefix}-postgres`;
    if ((await containerState(process.env, container)) !== "running") {
      return `what is at stake could not be asked: ${container} is not running`;
    }
    const superuser = await superuserOf(container);
    return await describeLoss(prefix, await serverFacts({ superuser }, container));
  } catch (error) {
    return `what is at stake could not be asked: ${(error as Error).message}`;
  }
}

/** The program may have given another name already to what still runs under the old one. */
async function prefixOf({ prefix, volume }: Stake): Promise<string> {
  if (!volume) return prefix;
  const format = ["--filter", `volume=${volume}`, "--format", "{{.Names}}"];
  const { stdout } = await docker(process.env, ["ps", ...format]);
  const server = stdout.split("\n").find((name) => name.endsWith("-postgres"));
  return server?.replace(/-postgres$/, "") ?? prefix;
}

async function superuserOf(container: string): Promise<string> {
  const { stdout } = await docker(process.env, ["exec", container, "printenv", "POSTGRES_USER"]);
  return stdout.trim() || DEFAULTS.postgres.superuser;
}
