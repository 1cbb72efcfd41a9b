import { relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../../config/defaults.ts";
import { bundle } from "../assets.ts";

export interface ChangeGuardArgs {
  /** First part of the containers' names: with `prod`, the guard checks `prod-postgres`. */
  prefix: string;
  /** Id of the image that the server will run. */
  image: pulumi.Input<string>;
  /** Id of an image that has run before; `image` is this one then. @default - the built image runs */
  pinnedImage?: string | undefined;
  /** Name of the superuser, as whom the guard asks the running server. */
  superuser: string;
  /** Require a proven backup before the image changes. */
  protect: boolean;
  /** Hours that the proven backup may be old; 0 requires no backup. @default 24 */
  provenWithinHours?: number | undefined;
  /**
   * Changes that the guard would refuse, each named by the refusal's message.
   * @default []
   * @example ["pgvector 0.8.4"]
   */
  accept?: string[] | undefined;
  /** Address of the Docker engine. @default - the docker client's own */
  dockerHost?: string | undefined;
}

/**
 * Checks a new image before the server's container gets it. It compares the image with the data of the
 * running server, takes and proves a backup first where one is required, and tags the previous image for
 * `pgstead undo`. When it refuses, the old container keeps running.
 */
export class ChangeGuard extends pulumi.ComponentResource {
  /** The checked image. The container takes it as an input, so that it cannot start before the check. */
  readonly image: pulumi.Output<string>;
  /** The child resources. */
  readonly nodes: { check: Command };

  constructor(name: string, args: ChangeGuardArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:ChangeGuard", name, {}, opts);
    const { prefix, image, dockerHost, protect, accept = [], superuser } = args;
    const { provenWithinHours = DEFAULTS.postgres.provenWithinHours } = args;
    const pinned = args.pinnedImage !== undefined;
    const check = new Command(
      `${name}-check`,
      {
        // A relative path, so that the state is the same on every machine.
        create: `node ${relative(process.cwd(), bundle)} step change`,
        stdin: JSON.stringify({ prefix, superuser, protect, pinned, provenWithinHours, accept }),
        // A preview shows these values, and a change of any of them runs the check again.
        environment: {
          PGSTEAD_IMAGE: image,
          ...(dockerHost && { DOCKER_HOST: dockerHost }),
        },
        logging: "stderr",
      },
      { parent: this },
    );
    this.image = check.stdout.apply((json) => JSON.parse(json).image as string);
    this.nodes = { check };
    this.registerOutputs({ image: this.image });
  }
}
