import { Container, type ContainerArgs } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";
import { guardContainer } from "../guards/container-guard.ts";
import { stackLabels } from "../guards/stack-labels.ts";
import { type Transform, transform } from "../transform.ts";

interface AgentParts {
  /** Named by its content, so that a rebuild replaces the container. */
  image: pulumi.Input<string>;
  /** Volumes by the path they are mounted at: the server's socket, the settings, the backups. */
  volumes: Record<string, pulumi.Input<string>>;
}

export interface BackupSidecarArgs {
  /** First part of the container's name: `prod` makes `prod-agent`. @default - the stack's name */
  prefix?: string;
  /** What the engine gives to containers that run `pgstead`. */
  agent: AgentParts;
  /** The stack's network, through which the bucket is reached. */
  network: pulumi.Input<string>;
  /**
   * MB for the container, without swap. What is above 512 is for the index builds of the scratch server
   * that backups are proven in.
   * @default 1152
   */
  memoryMegabytes?: number;
  /**
   * Seconds that a backup under way is given to clean up behind itself.
   * @default 60
   */
  stopSeconds?: number;
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string | undefined;
  /** Change the container, after the defaults above. */
  transform?: { container?: Transform<ContainerArgs> };
}

/**
 * The agent's container: takes the backups when they are due, and is where `docker exec STACK-agent
 * pgstead ...` works at 3 a.m. without a checkout. It never gets the engine's socket.
 *
 * @example
 * new BackupSidecar("agent", { agent: postgres.agent, network: postgres.network });
 */
export class BackupSidecar extends pulumi.ComponentResource {
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
        // Reaps what a child of a child leaves behind, and passes signals on.
        init: true,
        // Its own start is no news to wait for; a failed wait would replace it at the next `up`.
        wait: false,
        networksAdvanced: [{ name: args.network }],
        volumes: Object.entries(args.agent.volumes).map(([containerPath, volumeName]) => ({
          containerPath,
          volumeName,
        })),
        ...hardened,
        // The plugin shows a change at each preview unless swap is named too.
        memory,
        memorySwap: memory,
        // S4: index builds of the scratch server, two at once.
        shmSize: Math.max(64, memory - 512),
        stopTimeout: stopSeconds,
        // Without it a replacement is a kill without a signal.
        destroyGraceSeconds: stopSeconds,
        // Unhealthy once the newest proven backup is too old; what it says of it is in `docker inspect`.
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
        // Shown as an update by the plugin, which then changes nothing.
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
  // The image declares a volume for a cluster; without the second each agent would get one.
  tmpfs: { "/tmp": "size=64m,mode=1777", "/var/lib/postgresql": "size=1m" },
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges:true"],
};
