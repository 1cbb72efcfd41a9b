import { randomUUID } from "node:crypto";
import { Volume, type VolumeArgs } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { askDocker } from "./docker-client.ts";
import { ConfigError } from "./error.ts";
import { PROJECT_LABEL, STACK_LABEL, stackLabels } from "./stack-labels.ts";
import { type Transform, transform } from "./transform.ts";

export interface DataVolumesArgs {
  /** First part of the volumes' names: `dev` makes `dev-data`, `dev-backups` and `dev-agent`. */
  prefix: string;
  /** Facts of the cluster that must not change by themselves. */
  cluster: ClusterFacts;
  /** What must have succeeded before the stack remembers a cluster: the engine, the image. */
  after?: pulumi.Resource[];
  /**
   * Refuse to delete what the stack remembers of its data. The volumes outlive it either way.
   * @default true
   */
  protect?: boolean;
  /**
   * Begin with an empty volume though this stack has had data. Set for one run only.
   * @default false
   */
  acceptEmpty?: boolean;
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string;
  transform?: { data?: Transform<VolumeArgs>; backups?: Transform<VolumeArgs> };
}

export interface ClusterFacts {
  major: string;
  base: string;
}

/**
 * The named volumes that outlive the stack: the cluster, the backups on this host, and what the agent
 * remembers. `down` leaves them, and the next `up` takes them up again.
 *
 * @example
 * new DataVolumes("volumes", { prefix: "dev", cluster: { major: "18", base: "alpine" } });
 */
export class DataVolumes extends pulumi.ComponentResource {
  readonly data: pulumi.Output<string>;
  readonly backups: pulumi.Output<string>;
  readonly agent: pulumi.Output<string>;
  /** What the stack has remembered of its cluster since it was made. */
  readonly cluster: pulumi.Output<ClusterFacts>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: {
    data: Volume;
    backups: Volume;
    agent: Volume;
    cluster: pulumi.Stash;
  };

  constructor(name: string, args: DataVolumesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:DataVolumes", name, {}, opts);

    const parent = this;
    const token = randomUUID();
    const cluster = createCluster();
    const data = createVolume("data", args.transform?.data, cluster);
    const backups = createVolume("backups", args.transform?.backups);
    const agent = createVolume("agent");

    this.data = data.name;
    this.backups = backups.name;
    this.agent = agent.name;
    this.cluster = cluster.output.apply((facts: ClusterFacts) => facts);
    this.nodes = { data, backups, agent, cluster };
    this.registerOutputs({ data: this.data, backups: this.backups });

    function createCluster() {
      // From here on a missing volume is a loss, so nothing that may fail comes in between.
      const guard = new pulumi.ResourceHook(`${name}-cluster-guard`, async () => {
        const volume = `${args.prefix}-data`;
        assertVolume(volume, await inspectLabels(volume, args.dockerHost), true);
      });
      return new pulumi.Stash(
        `${name}-cluster`,
        { input: { ...args.cluster, token } },
        {
          parent,
          protect: args.protect ?? true,
          ignoreChanges: ["input"],
          dependsOn: args.after ?? [],
          hooks: { beforeCreate: [guard] },
        },
      );
    }

    function createVolume(kind: string, change?: Transform<VolumeArgs>, memory?: pulumi.Stash) {
      const volume = `${args.prefix}-${kind}`;
      const guard = new pulumi.ResourceHook(`${name}-${kind}-guard`, async () => {
        const found = await inspectLabels(volume, args.dockerHost);
        const isNew = !memory || args.acceptEmpty || (await tokenOf(memory)) === token;
        assertVolume(volume, found, isNew);
      });
      const defaults = { name: volume, labels: stackLabels() };
      const options = {
        parent,
        retainOnDelete: true,
        hooks: { beforeCreate: [guard] },
        ...(memory && { dependsOn: memory }),
      };
      return new Volume(...transform(change, `${name}-${kind}`, defaults, options));
    }
  }
}

const tokenOf = (memory: pulumi.Stash) =>
  new Promise<string>((resolve) => {
    memory.output.apply((facts: { token: string }) => resolve(facts.token));
  });

async function inspectLabels(volume: string, host?: string) {
  const format = "{{json .Labels}}";
  const answer = await askDocker(["volume", "inspect", "--format", format, volume], host);
  if (answer === undefined) return undefined;
  return (JSON.parse(answer) ?? {}) as Record<string, string>;
}

/**
 * The engine adopts a volume of the same name in silence, and makes a missing one anew: the one would
 * serve a stranger's data, the other none.
 */
export function assertVolume(
  volume: string,
  labels: Record<string, string> | undefined,
  isNew: boolean,
  project = pulumi.getProject(),
  stack = pulumi.getStack(),
): void {
  if (!labels) {
    if (isNew) return;
    throw new ConfigError(
      `volume "${volume}" is gone, though stack "${stack}" has had data in it; an empty one would serve nothing in its place. Put the volume back, or begin with an empty one: pulumi config set --path pgstead:postgres.acceptEmptyVolume true, for one run`,
    );
  }
  if (labels[PROJECT_LABEL] === project && labels[STACK_LABEL] === stack) return;
  throw new ConfigError(
    `volume "${volume}" exists and is not of stack "${stack}" (it lacks the labels ${PROJECT_LABEL}=${project} and ${STACK_LABEL}=${stack}); rename that volume, or give the stack another name`,
  );
}
