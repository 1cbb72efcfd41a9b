import { Container, type ContainerArgs } from "@pulumi/docker/container.js";
import { Network, type NetworkArgs } from "@pulumi/docker/network.js";
import { Volume } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import { guardContainer } from "../guards/container-guard.ts";
import { createRefusal } from "../guards/refusal.ts";
import { stackLabels } from "../guards/stack-labels.ts";
import { type Transform, transform } from "../transform.ts";
import { coverOfImageVolume, dataPathChange, VOLUME_FOLDER } from "./data-path.ts";
import {
  FILES_FOLDER,
  fingerprint,
  MIGRATOR_FOLDER,
  type ServerFilesArgs,
  serverFiles,
  TLS_FOLDER,
} from "./files.ts";
import { renderSettings, type SettingValue, serverCommand, sizeServer } from "./tuning.ts";

export interface PostgresDatabaseArgs extends ServerFilesArgs {
  /** First part of every name: `dev` makes the container `dev-postgres`. */
  prefix: string;
  /** The server's image by its content, so that a rebuild replaces the container. */
  image: pulumi.Input<string>;
  /** Volume of the cluster. */
  dataVolume: pulumi.Input<string>;
  database: string;
  /** Port on the engine's loopback. @default - nothing is published */
  publishedPort?: number;
  /** @default "postgres" */
  superuser?: string;
  /** Major version of the server; settings differ between them. @default "18" */
  major?: string;
  /** MB for one index build; shared memory is sized with it. @default - an eighth of the memory */
  maintenanceWorkMemMb?: number | undefined;
  /** MB for the container, without swap. @default - no limit, and settings for 2048 */
  memoryMb?: number | undefined;
  /** Processors for the container. @default - no limit, and settings for 2 */
  cpus?: number | undefined;
  /** Server settings by name, as in postgresql.conf; they come before what the size makes of them. */
  serverSettings?: Record<string, SettingValue>;
  /** Let nobody in over the network without TLS. @default false */
  tlsRequired?: boolean | undefined;
  /** Changes that the image's guard would refuse, named once: `release debian-forky`. */
  accept?: string[] | undefined;
  /** Seconds a server may take to write everything down before it is killed. @default 120 */
  stopSeconds?: number;
  /** Address of the engine. @default - the docker client's own */
  dockerHost?: string | undefined;
  transform?: {
    container?: Transform<ContainerArgs>;
    network?: Transform<NetworkArgs>;
  };
}

export const SOCKET_FOLDER = "/var/run/postgresql";

/**
 * What the official entrypoint needs as root before it steps down to the system user postgres, and what
 * process 1 needs to pass a signal on to that user: without it every stop is a kill.
 */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

/**
 * The server in its container, with the network applications join, the socket only the stack's own
 * containers share, and the files that carry settings and passwords to them.
 */
export class PostgresDatabase extends pulumi.ComponentResource {
  readonly network: pulumi.Output<string>;
  readonly container: pulumi.Output<string>;
  /** Volumes for a container of the stack: the server's socket, and the files of `/run/pgstead`. */
  readonly socketVolume: pulumi.Output<string>;
  readonly filesVolume: pulumi.Output<string>;
  /** Holds the migrator's URL, where one was asked for. */
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
    const superuser = args.superuser ?? "postgres";
    const { major = "18" } = args;
    const sized = sizeServer(name, { ...args, major }, args.serverSettings);
    const network = createNetwork();
    const socket = createVolume("socket");
    const files = createVolume("files");
    const migrator = args.migratorUrl ? createVolume("migrator") : undefined;
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
      // Not kept on delete: unlike a volume, one that exists is not taken up again but in the way.
      return new Network(
        ...transform(args.transform?.network, `${name}-network`, defaults, { parent }),
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

    /** Never started: files uploaded to it reach the volume, and no inspect or process list. */
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
          uploads: serverFiles(args, renderSettings(sized)),
          labels: stackLabels(),
        },
        { parent, deleteBeforeReplace: true, hooks: guarded("writer", `${prefix}-files`) },
      );
    }

    function createContainer() {
      const stopSeconds = args.stopSeconds ?? 120;
      const defaults: ContainerArgs = {
        name: `${prefix}-postgres`,
        image: args.image,
        command: serverCommand(sized, {
          hba_file: `/etc/pgstead/${args.tlsRequired ? "pg_hba_tls" : "pg_hba"}.conf`,
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
          // Another certificate is taken up by another container.
          ...(args.tls
            ? [pulumi.interpolate`PGSTEAD_TLS=${fingerprint(args.tls.certificate)}`]
            : []),
        ],
        restart: "unless-stopped",
        // Process 1 inherits what `docker exec` leaves behind. A server that is process 1 takes it for
        // one of its own when it dies by a signal, and restarts everything.
        init: true,
        // The migration step waits, with a deadline: a wait that failed here would replace the
        // container at the next `up`, in the middle of a long recovery.
        wait: false,
        mustRun: true,
        destroyGraceSeconds: stopSeconds,
        stopTimeout: stopSeconds,
        // Spelled out: the engine answers with the prefix, and each preview would show a change.
        capabilities: { drops: ["ALL"], adds: CAPABILITIES.map((name) => `CAP_${name}`) },
        securityOpts: ["no-new-privileges:true"],
        readOnly: true,
        tmpfs: {
          "/tmp": "size=64m,mode=1777",
          "/run/pgstead": "size=1m,mode=0755",
          ...coverOfImageVolume(major),
        },
        shmSize: sized.shmMb,
        ...(args.memoryMb && { memory: args.memoryMb, memorySwap: args.memoryMb }),
        ...(args.cpus && { cpus: spellCpus(args.cpus) }),
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
          // Over TCP, which a cluster that is being made does not have yet.
          tests: ["CMD", "pg_isready", "-q", "-h", "127.0.0.1", "-U", superuser],
          interval: "5s",
          timeout: "5s",
          retries: 6,
          // As the engine writes it: "60s" would show a change in each preview.
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
        // Its key lies there when it starts.
        ...(tls && { dependsOn: writer }),
        // The plugin says "updated" and leaves the running container as it was.
        replaceOnChanges: ["healthcheck", "tmpfs", "init"],
      };
      const change = args.transform?.container;
      const [child, declared, given] = transform(change, `${name}-container`, defaults, options);
      return new Container(child, { ...declared, volumes: guardDataPath(declared) }, given);
    }

    /** The volumes, once they are the cluster's: the container cannot be made without them. */
    function guardDataPath({ volumes, mounts, tmpfs, envs, image }: ContainerArgs) {
      const path = pulumi.output({ volumes, mounts, tmpfs, envs, image });
      const expected = pulumi.output({ dataVolume: args.dataVolume, image: args.image });
      return pulumi.all([path, expected]).apply(async ([moved, { dataVolume, image }]) => {
        const change = dataPathChange(moved, { dataVolume, image, major });
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
function spellCpus(cpus: number): string {
  const spelled = cpus.toFixed(9);
  return spelled.split("0").length === 10 ? cpus.toFixed(1) : spelled.replace(/0+$/, "");
}
