import { relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../../config/defaults.ts";
import { bundle } from "../assets.ts";

export interface ChangeGuardArgs {
  /** First part of the containers' names: `prod` guards `prod-postgres`. */
  prefix: string;
  /** Id of the image that the server is to run. */
  image: pulumi.Input<string>;
  /** Id of an image that has run before; `image` is this one then. @default - the built image runs */
  pinnedImage?: string | undefined;
  superuser: string;
  /** Of a protected stack a proven backup must be there first. */
  protect: boolean;
  /** How old that backup may be, in hours; 0 asks for none. @default 24 */
  provenWithinHours?: number | undefined;
  /** Changes that would be refused, named once: `pgvector 0.8.4`. */
  accept?: string[] | undefined;
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string | undefined;
}

/**
 * Stands between a new image and the server's container: looks at what the running server holds, takes
 * a proven backup first where that is asked for, and keeps the previous image for `pgstead undo`. While
 * it refuses, the old container goes on.
 */
export class ChangeGuard extends pulumi.ComponentResource {
  /** The image, once it may be run: an input of the container, so that nothing passes by. */
  readonly image: pulumi.Output<string>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { check: Command };

  constructor(name: string, args: ChangeGuardArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:ChangeGuard", name, {}, opts);
    const { prefix, image, dockerHost, protect, accept = [], superuser } = args;
    const { provenWithinHours = DEFAULTS.postgres.provenWithinHours } = args;
    const pinned = args.pinnedImage !== undefined;
    const check = new Command(
      `${name}-check`,
      {
        // Relative, so that the state is the same whichever machine runs the program.
        create: `node ${relative(process.cwd(), bundle)} step change`,
        stdin: JSON.stringify({ prefix, superuser, protect, pinned, provenWithinHours, accept }),
        // What a person reads in a preview; a change of any of these looks again.
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
