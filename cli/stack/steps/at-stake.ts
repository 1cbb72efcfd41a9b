import { DEFAULTS } from "../../../config/defaults.ts";
import { askEngine, runInContainer } from "../docker/ask-engine.ts";
import { containerState } from "../docker/docker-stack.ts";
import { describeLost } from "../docker/lost-data.ts";
import { describeLoss, readServerFacts } from "../docker/server-facts.ts";

/** What a refusal of `pulumi up` asks about; the components' `refusal` writes it. */
export interface Stake {
  /** First part of the containers' names, unless a container that uses the volume has another. */
  prefix: string;
  /** Volume of the data. */
  volume?: string;
  /** The volume does not exist any more. */
  gone?: boolean;
}

/** What data the refused change puts at risk; a server that does not answer is no error here. */
export async function describeStake(stake: Stake): Promise<string> {
  try {
    if (stake.gone) return await describeLost(stake.prefix);
    const prefix = await findPrefix(stake);
    const container = `${prefix}-postgres`;
    if ((await containerState(process.env, container)) !== "running") {
      return `what is at stake could not be asked: ${container} is not running`;
    }
    const superuser = await readSuperuser(container);
    return await describeLoss(prefix, await readServerFacts({ superuser }, container));
  } catch (error) {
    return `what is at stake could not be asked: ${(error as Error).message}`;
  }
}

/** The program may declare another prefix than the running server has. */
async function findPrefix({ prefix, volume }: Stake): Promise<string> {
  if (!volume) return prefix;
  const format = ["--filter", `volume=${volume}`, "--format", "{{.Names}}"];
  const names = await askEngine(process.env, ["ps", ...format]);
  const server = names.split("\n").find((name) => name.endsWith("-postgres"));
  return server?.replace(/-postgres$/, "") ?? prefix;
}

async function readSuperuser(container: string): Promise<string> {
  const printenv = ["exec", container, "printenv", "POSTGRES_USER"];
  const { stdout } = await runInContainer(process.env, printenv);
  return stdout.trim() || DEFAULTS.postgres.superuser;
}
