import { relative } from "node:path";
import { Command } from "@pulumi/command/local/command.js";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../../config/defaults.ts";
import { bundle } from "../assets.ts";
import type { AgentParts } from "../engines/docker.ts";
import { MIGRATOR_FOLDER } from "../server/files.ts";
import { migrationInput } from "./run-input.ts";

export interface MigrationsArgs {
  /** Folder of the SQL files, relative to the project. */
  folder: string;
  /**
   * Versions that are not applied yet. A preview shows them.
   * @example ["0001_tenants"]
   */
  pending: string[];
  /**
   * When to run: at each `up` (`always`), or only when `pending` has changed (`changed`).
   * @default "always"
   */
  runOn?: "always" | "changed";
  /**
   * The rotation of the passwords. Another one runs the step, which sets them in the server.
   * @default - there is none
   * @example "2027-01"
   */
  rotation?: string | undefined;
  /** Container of the server. The step waits until it is healthy. */
  container: pulumi.Input<string>;
  /** Image and volumes of the container that runs the migrations. */
  agent: AgentParts;
  /** Network on which the server has the name `postgres`. */
  network: pulumi.Input<string>;
  /** Seconds that the server may take to accept connections, crash recovery included. @default 300 */
  startSeconds?: number;
  /**
   * Another migration tool to run, after roles and extensions have been created.
   * @default - pgstead's own
   */
  tool?: MigrationTool | undefined;
  /** Address of the Docker engine. @default - the docker client's own */
  dockerHost?: string | undefined;
}

export interface MigrationTool {
  /**
   * Shell command that runs the tool.
   * @example "alembic upgrade head"
   */
  command?: string | undefined;
  /** Image that the command runs in. */
  image?: string | undefined;
  /** Environment variable from which the tool reads the database's URL. */
  urlVariable: string;
  /** Volume that holds the URL in its file `url`. */
  volume: pulumi.Input<string> | undefined;
}

/**
 * Creates roles and extensions and applies the migrations folder at each `up`, in a container that is
 * removed afterwards.
 *
 * @example
 * const { container, agent, network } = postgres;
 * new Migrations("migrations", { folder: "migrations", pending: [], container, agent, network });
 */
export class Migrations extends pulumi.ComponentResource {
  /** The child resources. */
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
      const tool = normalizeTool(args.tool);
      const step = { container, network, ...agent, startSeconds, folder, tool };
      return new Command(
        `${name}-run`,
        {
          // A relative path, so that the state is the same on every machine.
          create: `node ${relative(process.cwd(), bundle)} step migrate`,
          stdin: pulumi.output(step).apply((values) => JSON.stringify(values)),
          // A preview shows these values. Triggers would show as a replacement.
          environment: {
            ...migrationInput(args.pending, args.runOn),
            ...(args.rotation && { PGSTEAD_ROTATION: args.rotation }),
            ...(args.dockerHost && { DOCKER_HOST: args.dockerHost }),
          },
        },
        { parent },
      );
    }
  }
}

function normalizeTool(tool: MigrationTool | undefined) {
  if (!tool) return undefined;
  const { command, image, urlVariable, volume } = tool;
  return { command, image, urlVariable, volume, mountedAt: MIGRATOR_FOLDER };
}
