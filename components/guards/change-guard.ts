import { relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../../config/defaults.ts";
import { bundle } from "../assets.ts";
import { runPgstead } from "../pgstead.ts";

export interface ChangeGuardArgs {
  /** First part of the containers' names: with `prod`, the guard checks `prod-postgres`. */
  prefix: string;
  /** Id of the image that the server will run. */
  image: pulumi.Input<string>;
  /** Id of an image that has run before; `image` is this one then. @default - the built image runs */
  pinnedImage?: string | undefined;
  /** The declared server, which is tried before the running one is touched. */
  server: WantedServer;
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

type SettingValue = string | number | boolean;

/** What of the server is tried, because a wrong value would leave none, and what `undo` takes back. */
export interface WantedServer {
  /** All settings of its command line, by name. */
  settings: Record<string, string>;
  /** The settings that the configuration gives. */
  given: Record<string, SettingValue>;
  /** Processors for the container. @default - no limit */
  cpus?: number | undefined;
  /** MB for the container. @default - no limit */
  memoryMb?: number | undefined;
  /** MB of shared memory for the container. */
  shmMb: number;
  /** MB for one index build. @default - an eighth of the memory */
  maintenanceWorkMemMb?: number | undefined;
  /** Seconds that the server has to shut down. */
  stopSeconds: number;
  /** How connections are encrypted; `given` with a certificate that is given. @default - they are not */
  tls?: { required?: boolean; names?: string[]; renewal?: string } | "given" | undefined;
  /** Port on the loopback of the engine's machine. @default - no port is published */
  port?: number | undefined;
}

/** From the table of `pgstead`'s exit codes. */
const UNREACHABLE = 3;

/**
 * Checks a changed server before its container is replaced. It tries the new settings, limits and port,
 * also in a preview. It compares a new image with the data of the running server, takes and proves a backup
 * first where one is required, and tags the previous image for `pgstead undo`. When it refuses, the old
 * container keeps running.
 */
export class ChangeGuard extends pulumi.ComponentResource {
  /** The checked image. The container takes it as an input, so that it cannot start before the check. */
  readonly image: pulumi.Output<string>;
  /** The child resources. */
  readonly nodes: { check: Command };

  constructor(name: string, args: ChangeGuardArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:ChangeGuard", name, {}, opts);
    const { prefix, image, server, dockerHost, protect, accept = [], superuser } = args;
    const { provenWithinHours = DEFAULTS.postgres.provenWithinHours } = args;
    const pinned = args.pinnedImage !== undefined;
    const env: Record<string, string> = dockerHost ? { DOCKER_HOST: dockerHost } : {};
    const isPreview = pulumi.runtime.isDryRun();
    const tried = pulumi.output(isPreview ? tryServer() : undefined);
    const step = { prefix, superuser, protect, pinned, provenWithinHours, accept, server };
    const check = new Command(
      `${name}-check`,
      {
        // A relative path, so that the state is the same on every machine.
        create: `node ${relative(process.cwd(), bundle)} step change`,
        // An input, so that a preview fails with the trial.
        stdin: tried.apply(() => JSON.stringify(step)),
        // A preview shows these values, and a change of any of them runs the check again.
        environment: { PGSTEAD_IMAGE: image, ...env },
        logging: "stderr",
      },
      { parent: this },
    );
    // Known in a preview, so that it shows no other image where only the parameters of the check change.
    this.image = isPreview
      ? pulumi.output(image)
      : check.stdout.apply((json) => JSON.parse(json).image as string);
    this.nodes = { check };
    this.registerOutputs({ image: this.image });

    /** Without an engine a preview shows the change untried; `up` tries it. */
    function tryServer() {
      const stdin = JSON.stringify({ prefix, server });
      return runPgstead(["step", "try"], { stdin, env, accept: [0, UNREACHABLE] });
    }
  }
}
