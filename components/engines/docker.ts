import * as pulumi from "@pulumi/pulumi";
import type { SettingsInput } from "../../operate/settings.ts";
import { ChangeGuard } from "../guards/change-guard.ts";
import { createRefusal } from "../guards/refusal.ts";
import { PostgresDatabase, type PostgresDatabaseArgs, SOCKET_FOLDER } from "../server/database.ts";
import { FILES_FOLDER } from "../server/files.ts";
import {
  type Base,
  type PgvectorArgs,
  PostgresImage,
  type PostgresImageArgs,
} from "../server/image.ts";
import {
  generatePassword,
  type LoginRole,
  Passwords,
  type PasswordsArgs,
} from "../server/passwords.ts";
import { ServerTls, type ServerTlsArgs } from "../server/tls.ts";
import type { SettingValue } from "../server/tuning.ts";
import { type ClusterFacts, DataVolumes, type DataVolumesArgs } from "../server/volumes.ts";
import type { Endpoint } from "./endpoint.ts";

export interface DockerPostgresArgs {
  /** First part of every name on the engine. @default - the stack's name */
  prefix?: string;
  /** Major version, or major and minor. @default "18" */
  version?: string;
  /** @default "alpine" */
  base?: Base;
  baseImage?: string;
  pgvector?: PgvectorArgs;
  buildNetwork?: string;
  /** @default "app" */
  database?: string;
  /** @default "postgres" */
  superuser?: string;
  passwords?: PasswordsArgs;
  /** Port on the engine's loopback. @default - nothing is published */
  publishedPort?: number;
  maintenanceWorkMemMb?: number | undefined;
  memoryMb?: number | undefined;
  cpus?: number | undefined;
  serverSettings?: Record<string, SettingValue>;
  /** @default - connections over the network are not encrypted */
  tls?: (ServerTlsArgs & { required?: boolean | undefined }) | undefined;
  /** Changes that a guard would refuse, named once. */
  accept?: string[] | undefined;
  /** Of a protected stack: hours that a proven backup may be old when the image changes. @default 24 */
  provenWithinHours?: number | undefined;
  /** Id of an image to run instead of the one that is built; `pgstead undo` writes it. */
  image?: string | undefined;
  stopSeconds?: number;
  /** Refuse to delete what the stack remembers. @default true */
  protect?: boolean;
  /** Begin with an empty volume though this stack has had data. @default false */
  acceptEmptyVolume?: boolean;
  /** Scheme of the URL for another migrator than ours. @default - there is none */
  migratorScheme?: string | undefined;
  /** How migrations are run; where their files lie in the agent is decided here. */
  migrations?: Omit<SettingsInput["migrations"], "folder">;
  /** @default - health and extension only */
  checks?: SettingsInput["checks"];
  /** What `pgstead vector` compares with. */
  vector?: SettingsInput["vector"];
  /** When the agent takes backups, and where they go. @default - it takes none */
  backups?: pulumi.Input<SettingsInput["backups"]>;
  /** More files for the agent, by absolute path below `/run/pgstead`. */
  files?: Record<string, pulumi.Input<string>>;
  /** Address of the engine, as the provider has it. @default - the docker client's own */
  dockerHost?: string | undefined;
  /** Change the resources underneath; where the data lies cannot be changed. */
  transform?: PostgresImageArgs["transform"] &
    DataVolumesArgs["transform"] &
    PostgresDatabaseArgs["transform"];
}

/** What a container of the stack that runs `pgstead` needs. */
export interface AgentParts {
  image: pulumi.Output<string>;
  /** Volumes by the path they are mounted at. */
  volumes: Record<string, pulumi.Output<string>>;
}

/** Where the agent keeps what it remembers, and the last `up`'s migrations. */
export const AGENT_FOLDER = "/var/lib/pgstead";
const SEAL_KEY_FILE = `${FILES_FOLDER}/seal-key`;
export const BACKUPS_FOLDER = `${AGENT_FOLDER}/backups`;
const HOST = "postgres";
const PORT = 5432;

/**
 * PostgreSQL + pgvector in a container of our own image, on named volumes.
 *
 * @example
 * new DockerPostgres("postgres", { base: "debian", publishedPort: 5433 });
 */
export class DockerPostgres extends pulumi.ComponentResource implements Endpoint {
  readonly host = pulumi.output(HOST);
  readonly port = pulumi.output(PORT);
  readonly database: pulumi.Output<string>;
  readonly url: pulumi.Output<string>;
  readonly migratorUrl: pulumi.Output<string>;
  readonly readonlyUrl: pulumi.Output<string>;
  readonly hostUrl: pulumi.Output<string | null>;
  readonly network: pulumi.Output<string>;
  readonly image: pulumi.Output<string>;
  readonly postgresVersion: pulumi.Output<string>;
  readonly pgvectorVersion: pulumi.Output<string>;
  /** Name of the server's container. */
  readonly container: pulumi.Output<string>;
  readonly agent: AgentParts;
  /** Holds the migrator's URL, where `migratorScheme` asked for one. */
  readonly migratorVolume: pulumi.Output<string> | undefined;
  /** The parts underneath, each with `nodes` of its own. */
  readonly nodes: {
    image: PostgresImage;
    volumes: DataVolumes;
    passwords: Passwords;
    change: ChangeGuard;
    server: PostgresDatabase;
  };

  constructor(name: string, args: DockerPostgresArgs = {}, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:DockerPostgres", name, {}, opts);

    const parent = this;
    const prefix = args.prefix ?? pulumi.getStack();
    const database = args.database ?? "app";
    const cluster = { major: (args.version ?? "18").split(".")[0]!, base: args.base ?? "alpine" };
    const settings = pulumi.output(args.backups).apply(createSettings);
    const image = new PostgresImage(
      `${name}-image`,
      { prefix, ...args, pinned: args.image },
      { parent },
    );
    const volumes = createVolumes();
    const passwords = new Passwords(
      `${name}-passwords`,
      { protect: args.protect ?? true, ...args.passwords },
      { parent },
    );
    const tls = args.tls && new ServerTls(`${name}-tls`, args.tls, { parent });
    const guard = createGuard();
    const server = createServer();

    this.database = pulumi.output(database);
    this.url = url("app", HOST, PORT);
    this.migratorUrl = url("migrator", HOST, PORT);
    this.readonlyUrl = url("readonly", HOST, PORT);
    this.hostUrl = hostUrl();
    this.network = server.network;
    this.image = guard.image;
    this.postgresVersion = image.postgresVersion;
    this.pgvectorVersion = image.pgvectorVersion;
    this.container = server.container;
    this.migratorVolume = server.migratorVolume;
    this.agent = {
      image: image.agent,
      volumes: {
        [SOCKET_FOLDER]: server.socketVolume,
        [FILES_FOLDER]: server.filesVolume,
        [AGENT_FOLDER]: volumes.agent,
        [BACKUPS_FOLDER]: volumes.backups,
      },
    };
    this.nodes = { image, volumes, passwords, change: guard, server };
    this.registerOutputs({ network: this.network });

    function createSettings(backups: SettingsInput["backups"]): SettingsInput {
      return {
        stack: pulumi.getStack(),
        engine: "docker",
        database: {
          host: SOCKET_FOLDER,
          port: PORT,
          name: database,
          user: "migrator",
          owner: "owner",
          superuser: args.superuser ?? "postgres",
        },
        roles: { passwords: `${FILES_FOLDER}/passwords` },
        migrations: { ...args.migrations, folder: `${AGENT_FOLDER}/migrations` },
        checks: args.checks ?? [],
        ...(args.vector && { vector: args.vector }),
        ...(backups && { backups: { sealKeyFile: SEAL_KEY_FILE, ...backups } }),
      };
    }

    function createVolumes() {
      if (args.acceptEmptyVolume) warnOfEmpty();
      return new DataVolumes(
        `${name}-volumes`,
        {
          prefix,
          cluster,
          after: [image.nodes.server],
          protect: args.protect ?? true,
          acceptEmpty: args.acceptEmptyVolume ?? false,
          ...(args.dockerHost && { dockerHost: args.dockerHost }),
          ...(args.transform && { transform: args.transform }),
        },
        { parent },
      );
    }

    function warnOfEmpty() {
      const key = "postgres.acceptEmptyVolume is set, for which a volume that is gone is made anew";
      pulumi.log.warn(`${key}; take it out after this run`, parent);
    }

    function createGuard() {
      return new ChangeGuard(
        `${name}-change`,
        {
          ...args,
          prefix,
          image: pulumi
            .all([image.server, volumes.cluster, volumes.data])
            .apply(async ([id, remembered, volume]) => {
              await refuseOtherCluster(remembered, volume);
              return id;
            }),
          pinned: args.image !== undefined,
          superuser: args.superuser ?? "postgres",
          protect: args.protect ?? true,
        },
        { parent },
      );
    }

    async function refuseOtherCluster(remembered: ClusterFacts, volume: string) {
      const change = clusterChange(remembered, cluster);
      if (!change) return;
      const { dockerHost } = args;
      throw await createRefusal(`${change}: pgstead adopt-volume ${volume} --stack NEWSTACK`, {
        prefix,
        volume,
        dockerHost,
      });
    }

    function createServer() {
      return new PostgresDatabase(
        `${name}-server`,
        {
          ...args,
          prefix,
          major: cluster.major,
          settings,
          database,
          files: { ...args.files, [SEAL_KEY_FILE]: sealKey() },
          // An input of the container: a complaint on the side would let the change through.
          image: pulumi.all([guard.image, volumes.data]).apply(([id]) => id),
          dataVolume: volumes.data,
          passwords: passwords.of,
          tls,
          tlsRequired: args.tls?.required,
          migratorUrl: args.migratorScheme && url("migrator", HOST, PORT, args.migratorScheme),
        },
        // Nothing of it is touched while the volume is refused.
        { parent, dependsOn: volumes.nodes.data },
      );
    }

    /** Not with the passwords, which are rotated: a seal must be readable for years. */
    function sealKey() {
      const stash = new pulumi.Stash(
        `${name}-seal-key`,
        { input: pulumi.secret(generatePassword()) },
        { parent, protect: args.protect ?? true, ignoreChanges: ["input"] },
      );
      return pulumi.secret(stash.output);
    }

    function url(role: LoginRole, host: string, port: number, scheme = "postgresql") {
      return pulumi.secret(
        pulumi.interpolate`${scheme}://${role}:${passwords.of[role]}@${host}:${port}/${database}${args.tls?.required ? "?sslmode=require" : ""}`,
      );
    }

    function hostUrl(): pulumi.Output<string | null> {
      // The loopback of another machine is of no use to this one.
      const isHere = !args.dockerHost || args.dockerHost.startsWith("unix:");
      return args.publishedPort && isHere
        ? url("app", "127.0.0.1", args.publishedPort)
        : pulumi.output(null);
    }
  }
}

/** What a server of another major or base would find: no cluster, or a broken one. */
export function clusterChange(remembered: ClusterFacts, wanted: ClusterFacts): string | undefined {
  const bring =
    "or bring the data over into a new stack, which dumps it with its own server and loads it";
  if (remembered.major !== wanted.major) {
    return `this stack's cluster is of PostgreSQL ${remembered.major}, and postgres.version asks for ${wanted.major}, which cannot read it; set it back to "${remembered.major}", ${bring}`;
  }
  if (remembered.base !== wanted.base) {
    return `this stack's cluster was made on ${remembered.base}, and postgres.base asks for ${wanted.base}: users and collations differ between them; set it back to "${remembered.base}", ${bring}`;
  }
  return undefined;
}
