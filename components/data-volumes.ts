import { Volume, type VolumeArgs } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { askDocker } from "./docker-client.ts";
import { ConfigError } from "./error.ts";
import { beforeCreate } from "./hooks.ts";
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
    const wanted = declareVolume("data", args.acceptEmpty ?? false, args.transform?.data);
    const cluster = createCluster();
    const data = createVolume(wanted, { dependsOn: cluster });
    const backups = createVolume(declareVolume("backups", true, args.transform?.backups));
    const agent = createVolume(declareVolume("agent", true));

    this.data = data.name;
    this.backups = backups.name;
    this.agent = agent.name;
    this.cluster = cluster.output.apply((facts: ClusterFacts) => facts);
    this.nodes = { data, backups, agent, cluster };
    this.registerOutputs({ data: this.data, backups: this.backups });

    function declareVolume(kind: string, mayBeMissing: boolean, change?: Transform<VolumeArgs>) {
      const volume = `${args.prefix}-${kind}`;
      const hooks = beforeCreate(`${name}-${kind}-guard`, async () =>
        assertVolume(volume, await inspectLabels(volume, args.dockerHost), mayBeMissing),
      );
      const defaults = { name: volume, labels: stackLabels() };
      const options = { parent, retainOnDelete: true, hooks };
      return transform(change, `${name}-${kind}`, defaults, options);
    }

    /**
     * What is remembered makes a missing volume a loss. So the volume is there first: an `up` that ends
     * in between, or before its other resources, leaves nothing that looks like one.
     */
    function createCluster() {
      const volume = `${args.prefix}-data`;
      const hooks = beforeCreate(`${name}-cluster-guard`, async () => {
        assertVolume(volume, await inspectLabels(volume, args.dockerHost), true);
        await askDocker(volumeCreate(await resolved(wanted[1])), args.dockerHost);
      });
      return new pulumi.Stash(
        `${name}-cluster`,
        { input: args.cluster },
        {
          parent,
          protect: args.protect ?? true,
          ignoreChanges: ["input"],
          dependsOn: args.after ?? [],
          hooks,
        },
      );
    }

    function createVolume(
      [child, volume, options]: ReturnType<typeof declareVolume>,
      more: pulumi.CustomResourceOptions = {},
    ) {
      return new Volume(child, volume, pulumi.mergeOptions(options, more));
    }
  }
}

const resolved = (args: VolumeArgs) =>
  new Promise<pulumi.Unwrap<VolumeArgs>>((resolve) => {
    pulumi.output(args).apply(resolve);
  });

/** What the plugin would ask of the engine; it then takes up the volume it finds. */
function volumeCreate({ name, driver, driverOpts, labels }: pulumi.Unwrap<VolumeArgs>): string[] {
  return [
    "volume",
    "create",
    ...(driver ? ["--driver", driver] : []),
    ...Object.entries(driverOpts ?? {}).flatMap(([key, value]) => ["--opt", `${key}=${value}`]),
    ...(labels ?? []).flatMap(({ label, value }) => ["--label", `${label}=${value}`]),
    name!,
  ];
}

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
