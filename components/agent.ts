import { Container, type ContainerArgs } from "@pulumi/docker/container.js";
import * as pulumi from "@pulumi/pulumi";
import { containerGuard } from "./container-guard.ts";
import type { AgentParts } from "./engines/docker.ts";
import { stackLabels } from "./stack-labels.ts";
import { type Transform, transform } from "./transform.ts";

export interface AgentArgs {
  /** First part of the container's name. @default - the stack's name */
  prefix?: string;
  agent: AgentParts;
  network: pulumi.Input<string>;
  /** @default - waits for verbs that are started in it */
  command?: string[];
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string | undefined;
  transform?: { container?: Transform<ContainerArgs> };
}

/** The container in which `pgstead` verbs run beside the server: `docker exec dev-agent pgstead status`. */
export class Agent extends pulumi.ComponentResource {
  readonly container: pulumi.Output<string>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { container: Container };

  constructor(name: string, args: AgentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:Agent", name, {}, opts);
    const container = createContainer(this);
    this.container = container.name;
    this.nodes = { container };
    this.registerOutputs({ container: this.container });

    function createContainer(parent: pulumi.Resource) {
      const container = `${args.prefix ?? pulumi.getStack()}-agent`;
      const defaults: ContainerArgs = {
        name: container,
        image: args.agent.image,
        command: args.command ?? ["sleep", "infinity"],
        init: true,
        restart: "unless-stopped",
        wait: false,
        destroyGraceSeconds: 30,
        capabilities: { drops: ["ALL"] },
        securityOpts: ["no-new-privileges:true"],
        networksAdvanced: [{ name: args.network }],
        volumes: Object.entries(args.agent.volumes).map(([containerPath, volumeName]) => ({
          containerPath,
          volumeName,
        })),
        // The image declares a volume for a cluster; without this each agent would get one.
        tmpfs: { "/var/lib/postgresql": "" },
        logDriver: "json-file",
        logOpts: { "max-size": "10m", "max-file": "3" },
        labels: stackLabels(),
      };
      const options = {
        parent,
        deleteBeforeReplace: true,
        hooks: { beforeCreate: [containerGuard(name, container, args.dockerHost)] },
        replaceOnChanges: ["healthcheck", "tmpfs", "init"],
      };
      return new Container(
        ...transform(args.transform?.container, `${name}-container`, defaults, options),
      );
    }
  }
}
