import { Container, type ContainerArgs } from "@pulumi/docker/container.js";
import { Network, type NetworkArgs } from "@pulumi/docker/network.js";
import { Volume } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { DEFAULTS } from "../../config/defaults.ts";
import { guardContainer } from "../guards/container-guard.ts";
import { guardNetwork } from "../guards/network-guard.ts";
import { createRefusal } from "../guards/refusal.ts";
import { stackLabels } from "../guards/stack-labels.ts";
import { type Transform, transform } from "../transform.ts";
import { coverImageVolume, describeDataPathChange, VOLUME_FOLDER } from "./data-path.ts";
import {
  FILES_FOLDER,
  fingerprint,
  listServerFiles,
  MIGRATOR_FOLDER,
  type ServerFilesArgs,
  TLS_FOLDER,
  type TlsFiles,
} from "./files.ts";
import {
  renderSettings,
  type SettingValue,
  type Size,
  serverCommand,
  sizeServer,
} from "./tuning.ts";

export interface PostgresDatabaseArgs {
  /** First part of every name: `dev` makes the container `dev-postgres`. */
  prefix: string;
  /** Id of the server's image, so that a rebuild replaces the container. */
  image: pulumi.Input<string>;
  /** Volume that holds the cluster. */
  dataVolume: pulumi.Input<string>;
  /** Name of the database that a new cluster gets. */
  database: string;
  /** Name of the superuser that a new cluster gets. @default "postgres" */
  superuser?: string | undefined;
  /** Major version of the server, because settings differ between them. @default "18" */
  major?: string | undefined;
  /**
   * Port on the loopback of the engine's machine.
   * @default - no port is published
   * @example 5433
   */
  publishedPort?: number | undefined;
  /**
   * How large the server is.
   * @default - no limits, and server settings for 2048 MB and 2 processors
   * @example { memoryMb: 8192, cpus: 4 }
   */
  size?: Size | undefined;
  /**
   * Server settings by name, as in postgresql.conf. They override what `size` decides.
   * @default {}
   * @example { work_mem: "64MB" }
   */
  serverSettings?: Record<string, SettingValue> | undefined;
  /** Settings, passwords and keys for the containers of the stack. */
  files: ServerFilesArgs;
  /** Certificate and key of the server. @default - connections are not encrypted */
  tls?: ServerTlsFiles | undefined;
  /**
   * Changes to allow that the image's guard has refused by name.
   * @default - it refuses them
   * @example ["release debian-forky"]
   */
  accept?: string[] | undefined;
  /** Seconds that the server has to shut down before it is killed. @default 120 */
  stopSeconds?: number | undefined;
  /**
   * Address of the Docker engine.
   * @default - the docker client's own
   * @example "ssh://deploy@db.example.com"
   */
  dockerHost?: string | undefined;
  /** Change container and network, after the defaults above. @default - nothing is changed */
  transform?:
    | { container?: Transform<ContainerArgs>; network?: Transform<NetworkArgs> }
    | undefined;
}

interface ServerTlsFiles extends TlsFiles {
  /** Refuse connections over the network that do not use TLS. @default false */
  required?: boolean | undefined;
}

/** Where the containers of the stack find the server's socket. */
export const SOCKET_FOLDER = "/var/run/postgresql";

/**
 * The official entrypoint needs them as root, before it switches to the system user postgres. Process 1
 * needs KILL to pass a signal on to that user; without it every stop is a kill.
 */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

/**
 * The server in its container, and what it shares: a network for applications, and volumes with the socket
 * and the files for the stack's own containers.
 */
export class PostgresDatabase extends pulumi.ComponentResource {
  /** Name of the network for applications. */
  readonly network: pulumi.Output<string>;
  /** Name of the server's container. */
  readonly container: pulumi.Output<string>;
  /** Volume with the server's socket. */
  readonly socketVolume: pulumi.Output<string>;
  /** Volume with the files of `/run/pgstead`. */
  readonly filesVolume: pulumi.Output<string>;
  /** Volume with the migrator's URL, if `files.migratorUrl` is set. */
  readonly migratorVolume: pulumi.Output<string> | undefined;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: {
    network: Network;
    socket: Volume;
    files: Volume;
    writer: Container;
    container: Container;
  };

  constructor(name: string, args: PostgresDatabaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:PostgresDatabase", name, {}, opts);

    const parent = this;
    const { prefix } = args;
    const { major = DEFAULTS.postgres.version, superuser = DEFAULTS.postgres.superuser } = args;
    const sized = sizeServer(name, { ...args.size, major }, args.serverSettings);
    const network = createNetwork();
    const socket = createVolume("socket");
    const files = createVolume("files");
    const migrator = args.files.migratorUrl ? createVolume("migrator") : undefined;
    const tls = args.tls ? createVolume("tls") : undefined;
    const writer = createWriter();
    const container = createContainer();

    this.network = network.name;
    this.container = container.name;
    this.socketVolume = socket.name;
    this.filesVolume = files.name;
    this.migratorVolume = migrator?.name;
    this.nodes = { network, socket, files, writer, container };
    this.registerOutputs({ network: this.network, container: this.container });

    function createNetwork() {
      const defaults = { name: `${prefix}-network`, labels: stackLabels() };
      const hooks = guardNetwork(`${name}-network`, defaults.name, args.dockerHost);
      // Deleted with the stack, unlike a volume: Docker refuses a second network of this name.
      return new Network(
        ...transform(args.transform?.network, `${name}-network`, defaults, { parent, hooks }),
      );
    }

    function createVolume(kind: string) {
      return new Volume(
        `${name}-${kind}`,
        { name: `${prefix}-${kind}`, labels: stackLabels() },
        { parent },
      );
    }

    function guarded(child: string, container: string) {
      return guardContainer(`${name}-${child}`, container, args.dockerHost);
    }

    /** Never started: its uploads reach the volumes, and are in no inspect and no process list. */
    function createWriter() {
      return new Container(
        `${name}-writer`,
        {
          name: `${prefix}-files`,
          image: args.image,
          start: false,
          mustRun: false,
          entrypoints: ["true"],
          networkMode: "none",
          volumes: [
            { volumeName: files.name, containerPath: FILES_FOLDER },
            ...(migrator ? [{ volumeName: migrator.name, containerPath: MIGRATOR_FOLDER }] : []),
            ...(tls ? [{ volumeName: tls.name, containerPath: TLS_FOLDER }] : []),
          ],
          uploads: listServerFiles(args.files, renderSettings(sized), args.tls),
          labels: stackLabels(),
        },
        { parent, deleteBeforeReplace: true, hooks: guarded("writer", `${prefix}-files`) },
      );
    }

    function createContainer() {
      const { memoryMb, cpus } = args.size ?? {};
      const stopSeconds = args.stopSeconds ?? DEFAULTS.postgres.stopSeconds;
      const defaults: ContainerArgs = {
        name: `${prefix}-postgres`,
        image: args.image,
        command: serverCommand(sized, {
          hba_file: `/etc/pgstead/${args.tls?.required ? "pg_hba_tls" : "pg_hba"}.conf`,
          ident_file: "/etc/pgstead/pg_ident.conf",
          ...(tls && {
            ssl: "on",
            ssl_cert_file: "/run/pgstead/server.crt",
            ssl_key_file: "/run/pgstead/server.key",
          }),
        }),
        envs: [
          `POSTGRES_USER=${superuser}`,
          `POSTGRES_DB=${args.database}`,
          ...(args.accept?.length ? [`PGSTEAD_ACCEPT=${args.accept.join("\n")}`] : []),
          // The server reads its certificate when it starts, so another one replaces the container.
          ...(args.tls
            ? [pulumi.interpolate`PGSTEAD_TLS=${fingerprint(args.tls.certificate)}`]
            : []),
        ],
        restart: "unless-stopped",
        // Process 1 inherits the orphans of `docker exec`. A server that is process 1 takes them for its
        // own: when one dies by a signal, it restarts everything.
        init: true,
        // The migration step waits, with a deadline. A wait that failed here would replace the container
        // at the next `up`, during a long recovery.
        wait: false,
        mustRun: true,
        destroyGraceSeconds: stopSeconds,
        stopTimeout: stopSeconds,
        // With the prefix CAP_, as the engine reports them; otherwise each preview shows a change.
        capabilities: { drops: ["ALL"], adds: CAPABILITIES.map((name) => `CAP_${name}`) },
        securityOpts: ["no-new-privileges:true"],
        readOnly: true,
        tmpfs: {
          "/tmp": "size=64m,mode=1777",
          "/run/pgstead": "size=1m,mode=0755",
          ...coverImageVolume(major),
        },
        shmSize: sized.shmMb,
        ...(memoryMb && { memory: memoryMb, memorySwap: memoryMb }),
        ...(cpus && { cpus: formatCpus(cpus) }),
        networksAdvanced: [{ name: network.name, aliases: ["postgres"] }],
        ...(args.publishedPort && {
          ports: [{ internal: 5432, external: args.publishedPort, ip: "127.0.0.1" }],
        }),
        volumes: [
          { volumeName: args.dataVolume, containerPath: VOLUME_FOLDER },
          { volumeName: socket.name, containerPath: SOCKET_FOLDER },
          ...(tls ? [{ volumeName: tls.name, containerPath: TLS_FOLDER, readOnly: true }] : []),
        ],
        healthcheck: {
          // Over TCP: while a new cluster is initialized, the server listens on the socket only.
          tests: ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", superuser],
          interval: "5s",
          timeout: "5s",
          retries: 6,
          // As the engine reports it: "60s" would show a change in each preview.
          startPeriod: "1m0s",
        },
        logDriver: "json-file",
        logOpts: { "max-size": "50m", "max-file": "5" },
        labels: stackLabels(),
      };
      const options = {
        parent,
        deleteBeforeReplace: true,
        hooks: guarded("container", `${prefix}-postgres`),
        // The writer puts the key into the volume before the server starts.
        ...(tls && { dependsOn: writer }),
        // The plugin shows an update of these, and does not change the container.
        replaceOnChanges: ["healthcheck", "tmpfs", "init"],
      };
      const change = args.transform?.container;
      const [child, declared, given] = transform(change, `${name}-container`, defaults, options);
      return new Container(child, { ...declared, volumes: guardDataPath(declared) }, given);
    }

    /** The volumes after their check: they are an input, so a refusal stops the container too. */
    function guardDataPath({ volumes, mounts, tmpfs, envs, image }: ContainerArgs) {
      const path = pulumi.output({ volumes, mounts, tmpfs, envs, image });
      const expected = pulumi.output({ dataVolume: args.dataVolume, image: args.image });
      return pulumi.all([path, expected]).apply(async ([moved, { dataVolume, image }]) => {
        const change = describeDataPathChange(moved, { dataVolume, image, major });
        if (!change) return moved.volumes ?? [];
        const { dockerHost } = args;
        throw await createRefusal(`the data of "${name}" would be left behind: ${change}`, {
          prefix,
          volume: dataVolume,
          dockerHost,
        });
      });
    }
  }
}

/** As the plugin reads it back from the engine: "2" would replace the container at each `up`. */
function formatCpus(cpus: number): string {
  const formatted = cpus.toFixed(9);
  return formatted.split("0").length === 10 ? cpus.toFixed(1) : formatted.replace(/0+$/, "");
}
