import { Volume, type VolumeArgs } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { CHANGE_MS } from "../../docker/run-docker.ts";
import { askDocker } from "../docker-client.ts";
import { ConfigError } from "../error.ts";
import { beforeCreate } from "../guards/hooks.ts";
import { createRefusal } from "../guards/refusal.ts";
import { PROJECT_LABEL, STACK_LABEL, stackLabels } from "../guards/stack-labels.ts";
import { type Transform, transform } from "../transform.ts";

export interface DataVolumesArgs {
  /** First part of the volumes' names: `dev` gives `dev-data`, `dev-backups` and `dev-agent`. */
  prefix: string;
  /**
   * Facts of the cluster that the state records when the cluster is created.
   * @example { major: "18", base: "alpine" }
   */
  cluster: ClusterFacts;
  /** Resources that must exist before the state records a cluster, such as the image. @default [] */
  after?: pulumi.Resource[];
  /**
   * Refuse to delete the recorded facts from the state. The volumes are never deleted.
   * @default true
   */
  protect?: boolean;
  /**
   * Start with an empty volume, although this stack has stored data. Set it for one run only.
   * @default false
   */
  acceptEmpty?: boolean;
  /**
   * Take over volumes of this stack that the state does not know, because the state was lost.
   * @default false
   */
  takeOver?: boolean;
  /** Address of the Docker engine. @default - the docker client's own */
  dockerHost?: string;
  /**
   * Changes the resources, after the defaults have been set. A change of the data volume's name, driver or
   * labels is refused.
   */
  transform?: { data?: Transform<VolumeArgs>; backups?: Transform<VolumeArgs> };
}

/** Facts of a cluster that must stay the same: another version or base cannot read its files. */
export interface ClusterFacts {
  /** Major version of PostgreSQL. */
  major: string;
  /** Base of the image, `alpine` or `debian`. */
  base: string;
}

/** The properties of a volume. The provider replaces the volume when one of them changes. */
export interface VolumeFacts {
  name: string;
  driver?: string;
  driverOpts?: Record<string, string>;
  labels?: { label: string; value: string }[];
}

/**
 * Creates the named volumes of the cluster, of the backups on this host, and of the agent's own files.
 * `down` keeps the volumes, and the next `up` uses them again.
 *
 * @example
 * new DataVolumes("volumes", { prefix: "dev", cluster: { major: "18", base: "alpine" } });
 */
export class DataVolumes extends pulumi.ComponentResource {
  /** Name of the volume of the cluster. */
  readonly data: pulumi.Output<string>;
  /** Name of the volume of the backups. */
  readonly backups: pulumi.Output<string>;
  /** Name of the volume of the agent's own files. */
  readonly agent: pulumi.Output<string>;
  /** The facts that the state recorded when the cluster was created. */
  readonly cluster: pulumi.Output<ClusterFacts>;
  /** The child resources. */
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
      const { name: volume } = await resolveOutput(normalizeFacts(declared));
      const found = await inspectLabels(volume, dockerHost);
      if (found) return assertOwnVolume(volume, found);
      if (mayBeMissing) return;
      throw await createRefusal(describeMissing(volume), { prefix, gone: true, dockerHost });
    }

    /**
     * Records the cluster in the state. From then on a missing volume counts as lost data. So the hook
     * creates the volume first: an `up` that stops in between does not look like a loss.
     */
    function createCluster() {
      const volume = normalizeFacts(wanted[1]);
      const guard = async () => {
        const facts = await resolveOutput(volume);
        await refuseUnknownData(facts.name);
        if (pulumi.runtime.isDryRun()) return;
        await askDocker(renderCreateCommand(facts), dockerHost, CHANGE_MS);
      };
      const hooks = beforeCreate(`${name}-cluster-guard`, guard, { onDryRun: true });
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

    /**
     * The state has no cluster. The volume of the agent shows that another state had one: that state was
     * lost, or is elsewhere. With it the passwords and the seal key are lost, so nothing is made anew.
     */
    async function refuseUnknownData(volume: string) {
      const found = await inspectOrSkip(volume);
      if (found) assertOwnVolume(volume, found);
      if (args.takeOver || !(await isOwn(`${prefix}-agent`))) return;
      const data = { prefix, volume, dockerHost };
      if (found) throw await createRefusal(describeUnknown(volume), data);
      if (args.acceptEmpty) return;
      throw await createRefusal(describeMissing(volume), { ...data, gone: true });
    }

    async function isOwn(volume: string) {
      const labels = await inspectOrSkip(volume);
      return labels !== undefined && isOwnVolume(labels);
    }

    /** A preview goes on where the engine is out of reach. */
    async function inspectOrSkip(volume: string) {
      try {
        return await inspectLabels(volume, dockerHost);
      } catch (error) {
        if (pulumi.runtime.isDryRun()) return undefined;
        throw error;
      }
    }

    /** The volume's name is the guard's output, so a refusal stops the volume too. */
    function createData() {
      const [child, volume, options] = wanted;
      const name = pulumi
        .all([cluster.output, normalizeFacts(volume)])
        .apply(([recorded, facts]) => refuseOtherVolume(recorded.volume, facts));
      const after = pulumi.mergeOptions(options, { dependsOn: cluster });
      return new Volume(child, { ...volume, name }, after);
    }

    /** Depends on the data volume: while that is refused, no other volume changes. */
    function createVolume([child, volume, options]: ReturnType<typeof declareVolume>) {
      return new Volume(child, volume, pulumi.mergeOptions(options, { dependsOn: data }));
    }

    async function refuseOtherVolume(recorded: VolumeFacts | undefined, facts: VolumeFacts) {
      const changes = recorded ? listVolumeChanges(recorded, facts) : [];
      if (!recorded || changes.length === 0) return facts.name;
      const data = { prefix, volume: recorded.name, dockerHost };
      throw await createRefusal(describeOther(recorded.name, changes), data);
    }
  }
}

const normalizeFacts = ({ name, driver, driverOpts, labels }: VolumeArgs) =>
  pulumi.output({
    name: pulumi.output(name).apply((given) => given!),
    ...(driver && { driver }),
    ...(driverOpts && { driverOpts }),
    ...(labels && { labels }),
  }) as pulumi.Output<VolumeFacts>;

const resolveOutput = <T>(output: pulumi.Output<T>) =>
  new Promise<T>((resolve) => {
    output.apply(resolve);
  });

/** The same request that the provider sends later. The engine then answers with the existing volume. */
function renderCreateCommand({ name, driver, driverOpts, labels }: VolumeFacts): string[] {
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

/**
 * Docker returns an existing volume of the same name without an error, so the stack would serve the data
 * of somebody else.
 */
export function assertOwnVolume(
  volume: string,
  labels: Record<string, string>,
  project = pulumi.getProject(),
  stack = pulumi.getStack(),
): void {
  if (isOwnVolume(labels, project, stack)) return;
  throw new ConfigError(
    `volume "${volume}" exists and does not belong to stack "${stack}" (it lacks the labels ${PROJECT_LABEL}=${project} and ${STACK_LABEL}=${stack}); rename that volume, or give the stack another name`,
  );
}

const isOwnVolume = (
  labels: Record<string, string>,
  project = pulumi.getProject(),
  stack = pulumi.getStack(),
) => labels[PROJECT_LABEL] === project && labels[STACK_LABEL] === stack;

/** Lists the differences as text: `name: dev-data => other-data`. */
export function listVolumeChanges(recorded: VolumeFacts, wanted: VolumeFacts): string[] {
  const [before, after] = [renderFacts(recorded), renderFacts(wanted)];
  return (Object.keys(before) as (keyof VolumeFacts)[])
    .filter((key) => before[key] !== after[key])
    .map((key) => `${key}: ${before[key] || "none"} => ${after[key] || "none"}`);
}

const renderFacts = ({ name, driver, driverOpts, labels }: VolumeFacts) => ({
  name,
  driver: driver ?? "",
  driverOpts: renderPairs(Object.entries(driverOpts ?? {})),
  labels: renderPairs((labels ?? []).map(({ label, value }) => [label, value])),
});

const renderPairs = (entries: string[][]) =>
  entries
    .map((entry) => entry.join("="))
    .sort()
    .join(" ");

const describeMissing = (volume: string) =>
  `volume "${volume}" is gone, although stack "${pulumi.getStack()}" has stored data in it; Docker would create an empty volume in its place. Restore the volume; or start with an empty one (pulumi config set --path pgstead:postgres.acceptEmptyVolume true, for one run) and load a backup into it: "pgstead backup list" shows the backups, "pgstead backup get" writes one to a file, docs/docker.md has the steps`;

const describeUnknown = (volume: string) =>
  `volume "${volume}" holds the data of stack "${pulumi.getStack()}", and this state does not know it: the state was lost, or is elsewhere (PULUMI_BACKEND_URL), or another checkout has a stack of the same project and name. Use that state; or take the data over into this one: pgstead recover --stack ${pulumi.getStack()}`;

const describeOther = (volume: string, changes: string[]) =>
  `the data of stack "${pulumi.getStack()}" is in volume "${volume}", but the program declares another volume (${changes.join("; ")}), without that data; undo this change, or copy the data to a new stack: pgstead adopt-volume ${volume} --stack NEWSTACK`;
