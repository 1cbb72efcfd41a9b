import { Container, type ContainerArgs } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";
import { guardContainer } from "../guards/container-guard.ts";
import { stackLabels } from "../guards/stack-labels.ts";
import { type Transform, transform } from "../transform.ts";

interface AgentParts {
  /** Id of the agent's image, so that a rebuild replaces the container. */
  image: pulumi.Input<string>;
  /** Volumes by the path where they are mounted: the server's socket, the settings, the backups. */
  volumes: Record<string, pulumi.Input<string>>;
}

export interface BackupSidecarArgs {
  /** First part of the container's name: `prod` makes `prod-agent`. @default - the stack's name */
  prefix?: string | undefined;
  /** Image and volumes: the output `agent` of `DockerPostgres`. */
  agent: AgentParts;
  /** The stack's network, over which the agent reaches the bucket. */
  network: pulumi.Input<string>;
  /**
   * MB for the container, without swap. The part above 512 is for index builds of the scratch server, in
   * which backups are proven.
   * @default 1152
   */
  memoryMegabytes?: number | undefined;
  /**
   * Seconds that a running backup has to remove its partial files before it is killed.
   * @default 60
   */
  stopSeconds?: number | undefined;
  /**
   * Address of the Docker engine.
   * @default - the docker client's own
   * @example "ssh://deploy@db.example.com"
   */
  dockerHost?: string | undefined;
  /** Change the container, after the defaults above. @default - nothing is changed */
  transform?: { container?: Transform<ContainerArgs> } | undefined;
}

/**
 * The agent's container. It takes the backups when they are due, and `docker exec STACK-agent pgstead ...`
 * works in it without a checkout. It never gets the engine's socket.
 *
 * @example
 * new BackupSidecar("agent", { agent: postgres.agent, network: postgres.network });
 */
export class BackupSidecar extends pulumi.ComponentResource {
  /** `PREFIX-agent`. */
  readonly containerName: string;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { container: Container };

  constructor(name: string, args: BackupSidecarArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:BackupSidecar", name, {}, opts);

    const parent = this;
    const containerName = `${args.prefix ?? pulumi.getStack()}-agent`;
    const memory = args.memoryMegabytes ?? 1152;
    const stopSeconds = args.stopSeconds ?? 60;
    const container = createContainer();

    this.containerName = containerName;
    this.nodes = { container };
    this.registerOutputs({ containerName });

    function createContainer() {
      const defaults: ContainerArgs = {
        name: containerName,
        image: args.agent.image,
        command: ["pgstead", "serve"],
        restart: "unless-stopped",
        // Reaps orphaned processes, and passes signals on.
        init: true,
        // A wait that failed would replace the container at the next `up`.
        wait: false,
        networksAdvanced: [{ name: args.network }],
        volumes: Object.entries(args.agent.volumes).map(([containerPath, volumeName]) => ({
          containerPath,
          volumeName,
        })),
        ...hardened,
        // Without `memorySwap` the plugin shows a change at each preview.
        memory,
        memorySwap: memory,
        // S4: for two index builds of the scratch server at once.
        shmSize: Math.max(64, memory - 512),
        stopTimeout: stopSeconds,
        // Without it the plugin kills the old container at once.
        destroyGraceSeconds: stopSeconds,
        // Unhealthy when the newest proven backup is too old; `docker inspect` shows the output.
        healthcheck: {
          tests: ["CMD", "pgstead", "serve", "--healthy"],
          interval: "1m0s",
          timeout: "10s",
          retries: 3,
          startPeriod: "1m0s",
        },
        logDriver: "json-file",
        logOpts: { "max-size": "10m", "max-file": "3" },
        labels: stackLabels(),
      };
      const options = {
        parent,
        hooks: guardContainer(name, containerName, args.dockerHost),
        // The name is fixed, and two agents would take every backup twice.
        deleteBeforeReplace: true,
        // The plugin shows an update of these, and does not change the container.
        replaceOnChanges: ["healthcheck", "tmpfs", "init"],
      };
      return new Container(
        ...transform(args.transform?.container, `${name}-container`, defaults, options),
      );
    }
  }
}

const hardened = {
  readOnly: true,
  // The server's image declares a volume at the second path; each agent would get one of its own.
  tmpfs: { "/tmp": "size=64m,mode=1777", "/var/lib/postgresql": "size=1m" },
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges:true"],
};
