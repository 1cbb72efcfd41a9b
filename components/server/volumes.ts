import { Volume, type VolumeArgs } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { CHANGE_MS } from "../../docker/run-docker.ts";
import { askDocker } from "../docker-client.ts";
import { ConfigError } from "../error.ts";
import { beforeCreate } from "../guards/hooks.ts";
import { refusal } from "../guards/refusal.ts";
import { PROJECT_LABEL, STACK_LABEL, stackLabels } from "../guards/stack-labels.ts";
import { type Transform, transform } from "../transform.ts";

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

/** What makes a volume another one: the plugin replaces it when any of these change. */
export interface VolumeFacts {
  name: string;
  driver?: string;
  driverOpts?: Record<string, string>;
  labels?: { label: string; value: string }[];
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
    const { prefix, dockerHost } = args;
    const wanted = declareVolume("data", args.acceptEmpty ?? false, args.transform?.data);
    const cluster = createCluster();
    const data = createData();
    const backups = createVolume(declareVolume("backups", true, args.transform?.backups));
    const agent = createVolume(declareVolume("agent", true));

    this.data = data.name;
    this.backups = backups.name;
    this.agent = agent.name;
    this.cluster = cluster.output.apply((facts: ClusterFacts) => facts);
    this.nodes = { data, backups, agent, cluster };
    this.registerOutputs({ data: this.data, backups: this.backups });

    function declareVolume(kind: string, mayBeMissing: boolean, change?: Transform<VolumeArgs>) {
      const hooks = beforeCreate(`${name}-${kind}-guard`, () =>
        refuseVolume(declared[1], mayBeMissing),
      );
      const defaults = { name: `${prefix}-${kind}`, labels: stackLabels() };
      const options = { parent, retainOnDelete: true, hooks };
      const declared = transform(change, `${name}-${kind}`, defaults, options);
      return declared;
    }

    async function refuseVolume(declared: VolumeArgs, mayBeMissing: boolean) {
      const { name: volume } = await resolved(volumeFacts(declared));
      const found = await inspectLabels(volume, dockerHost);
      if (found) return assertOwn(volume, found);
      if (!mayBeMissing) throw await refusal(isGone(volume), { prefix, gone: true, dockerHost });
    }

    /**
     * What is remembered makes a missing volume a loss. So the volume is there first: an `up` that ends
     * in between, or before its other resources, leaves nothing that looks like one.
     */
    function createCluster() {
      const volume = volumeFacts(wanted[1]);
      const hooks = beforeCreate(`${name}-cluster-guard`, async () => {
        await refuseVolume(wanted[1], true);
        await askDocker(volumeCreate(await resolved(volume)), dockerHost, CHANGE_MS);
      });
      return new pulumi.Stash(
        `${name}-cluster`,
        { input: { ...args.cluster, volume } },
        {
          parent,
          protect: args.protect ?? true,
          ignoreChanges: ["input"],
          dependsOn: args.after ?? [],
          hooks,
        },
      );
    }

    /** Its name comes out of the guard: a complaint on the side would let another volume through. */
    function createData() {
      const [child, volume, options] = wanted;
      const name = pulumi
        .all([cluster.output, volumeFacts(volume)])
        .apply(([remembered, facts]) => refuseOtherVolume(remembered.volume, facts));
      const after = pulumi.mergeOptions(options, { dependsOn: cluster });
      return new Volume(child, { ...volume, name }, after);
    }

    /** Not before the data's: while that is refused, nothing of the stack is to move. */
    function createVolume([child, volume, options]: ReturnType<typeof declareVolume>) {
      return new Volume(child, volume, pulumi.mergeOptions(options, { dependsOn: data }));
    }

    async function refuseOtherVolume(remembered: VolumeFacts | undefined, facts: VolumeFacts) {
      const changes = remembered ? volumeChanges(remembered, facts) : [];
      if (!remembered || changes.length === 0) return facts.name;
      const stake = { prefix, volume: remembered.name, dockerHost };
      throw await refusal(isAnother(remembered.name, changes), stake);
    }
  }
}

const volumeFacts = ({ name, driver, driverOpts, labels }: VolumeArgs) =>
  pulumi.output({
    name: pulumi.output(name).apply((given) => given!),
    ...(driver && { driver }),
    ...(driverOpts && { driverOpts }),
    ...(labels && { labels }),
  }) as pulumi.Output<VolumeFacts>;

const resolved = <T>(output: pulumi.Output<T>) =>
  new Promise<T>((resolve) => {
    output.apply(resolve);
  });

/** What the plugin would ask of the engine; it then takes up the volume it finds. */
function volumeCreate({ name, driver, driverOpts, labels }: VolumeFacts): string[] {
  return [
    "volume",
    "create",
    ...(driver ? ["--driver", driver] : []),
    ...Object.entries(driverOpts ?? {}).flatMap(([key, value]) => ["--opt", `${key}=${value}`]),
    ...(labels ?? []).flatMap(({ label, value }) => ["--label", `${label}=${value}`]),
    name,
  ];
}

async function inspectLabels(volume: string, host?: string) {
  const format = "{{json .Labels}}";
  const answer = await askDocker(["volume", "inspect", "--format", format, volume], host);
  if (answer === undefined) return undefined;
  return (JSON.parse(answer) ?? {}) as Record<string, string>;
}

/** The engine adopts a volume of the same name in silence, and would serve a stranger's data. */
export function assertOwn(
  volume: string,
  labels: Record<string, string>,
  project = pulumi.getProject(),
  stack = pulumi.getStack(),
): void {
  if (labels[PROJECT_LABEL] === project && labels[STACK_LABEL] === stack) return;
  throw new ConfigError(
    `volume "${volume}" exists and is not of stack "${stack}" (it lacks the labels ${PROJECT_LABEL}=${project} and ${STACK_LABEL}=${stack}); rename that volume, or give the stack another name`,
  );
}

/** Each as a person reads it: `name: dev-data => other-data`. */
export function volumeChanges(remembered: VolumeFacts, wanted: VolumeFacts): string[] {
  const [before, after] = [spell(remembered), spell(wanted)];
  return (Object.keys(before) as (keyof VolumeFacts)[])
    .filter((key) => before[key] !== after[key])
    .map((key) => `${key}: ${before[key] || "none"} => ${after[key] || "none"}`);
}

const spell = ({ name, driver, driverOpts, labels }: VolumeFacts) => ({
  name,
  driver: driver ?? "",
  driverOpts: pairs(Object.entries(driverOpts ?? {})),
  labels: pairs((labels ?? []).map(({ label, value }) => [label, value])),
});

const pairs = (entries: string[][]) =>
  entries
    .map((entry) => entry.join("="))
    .sort()
    .join(" ");

/** The engine makes a missing volume anew, and would serve nothing. */
const isGone = (volume: string) =>
  `volume "${volume}" is gone, though stack "${pulumi.getStack()}" has had data in it; an empty one would serve nothing in its place. Put the volume back; or begin with an empty one (pulumi config set --path pgstead:postgres.acceptEmptyVolume true, for one run) and load a backup into it: "pgstead backup list" names them, "pgstead backup get" hands one out, docs/docker.md says how`;

const isAnother = (volume: string, changes: string[]) =>
  `the data of stack "${pulumi.getStack()}" lies in volume "${volume}", and what is declared now is another one (${changes.join("; ")}), which would leave it behind; set that back, or bring the data over into a new stack: pgstead adopt-volume ${volume} --stack NEWSTACK`;
