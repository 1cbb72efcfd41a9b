import { relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../../config/defaults.ts";
import { bundle } from "../assets.ts";
import type { AgentParts } from "../engines/docker.ts";
import { MIGRATOR_FOLDER } from "../server/files.ts";
import { migrationInput } from "./input.ts";

export interface MigrationsArgs {
  /** Folder that holds the SQL, relative to the project. */
  folder: string;
  /** Versions that wait to be applied, as a preview shows them. */
  pending: string[];
  /**
   * Run on each `up` (`always`), or only when something is pending (`changed`).
   * @default "always"
   */
  runOn?: "always" | "changed";
  /** Container of the server, for whose health the step waits. */
  container: pulumi.Input<string>;
  /** Image and volumes of the one-off container. */
  agent: AgentParts;
  /** Network on which the server is known as `postgres`. */
  network: pulumi.Input<string>;
  /** How long the server may take until it answers; a recovery counts. @default 300 */
  startSeconds?: number;
  /** Another migrator instead of ours, run after roles and extensions have been set. */
  tool?: MigrationTool | undefined;
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string | undefined;
}

export interface MigrationTool {
  /** Shell command, for example `alembic upgrade head`. */
  command?: string | undefined;
  /** The tool's image. */
  image?: string | undefined;
  /** Environment variable that the tool reads the URL from. */
  urlVariable: string;
  /** Volume that holds the URL in the file `url`. */
  volume: pulumi.Input<string> | undefined;
}

/**
 * Brings roles, extensions and then `migrations/` into the database on each `up`, in a one-off
 * container beside the server.
 */
export class Migrations extends pulumi.ComponentResource {
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { run: Command };

  constructor(name: string, args: MigrationsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:Migrations", name, {}, opts);
    const run = createRun(this);
    this.nodes = { run };
    this.registerOutputs({});

    function createRun(parent: pulumi.Resource) {
      const {
        container,
        network,
        agent,
        startSeconds = DEFAULTS.postgres.startSeconds,
        folder,
      } = args;
      const step = { container, network, ...agent, startSeconds, folder, tool: toolOf(args.tool) };
      return new Command(
        `${name}-run`,
        {
          // Relative, so that the state is the same whichever machine runs the program.
          create: `node ${relative(process.cwd(), bundle)} step migrate`,
          stdin: pulumi.output(step).apply((values) => JSON.stringify(values)),
          // No triggers: they would show as a replacement. What a person reads stands here.
          environment: {
            ...migrationInput(args.pending, args.runOn),
            ...(args.dockerHost && { DOCKER_HOST: args.dockerHost }),
          },
        },
        { parent },
      );
    }
  }
}

function toolOf(tool: MigrationTool | undefined) {
  if (!tool) return undefined;
  const { command: line, image, urlVariable, volume } = tool;
  return { command: line, image, urlVariable, volume, mountedAt: MIGRATOR_FOLDER };
}
