import * as pulumi from "@pulumi/pulumi";
import type { LoginRole } from "../../config/choices.ts";
import { createDatabaseUrl } from "../../config/database-url.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import type { SettingsInput } from "../../operate/settings.ts";
import { ChangeGuard, type WantedServer } from "../guards/change-guard.ts";
import { createRefusal } from "../guards/refusal.ts";
import { PostgresDatabase, type PostgresDatabaseArgs, SOCKET_FOLDER } from "../server/database.ts";
import { FILES_FOLDER } from "../server/files.ts";
import { type ImageSource, PostgresImage, type PostgresImageArgs } from "../server/image.ts";
import { generatePassword, Passwords, type PasswordsArgs } from "../server/passwords.ts";
import { stashFirst } from "../server/stash.ts";
import { ServerTls, type ServerTlsArgs } from "../server/tls.ts";
import { type SettingValue, type Size, sizeServer } from "../server/tuning.ts";
import { type ClusterFacts, DataVolumes, type DataVolumesArgs } from "../server/volumes.ts";
import type { Endpoint } from "./endpoint.ts";

export interface DockerPostgresArgs {
  /**
   * First part of every name on the Docker engine: `shop` makes `shop-postgres` and `shop-data`.
   * Another prefix names another data volume, and is refused.
   * @default - the stack's name
   */
  prefix?: string | undefined;
  /** Name of the database. It is made with the cluster, and stays. @default "app" */
  database?: string | undefined;
  /**
   * Name of the superuser, who has no password and connects over the socket only. It is made with the
   * cluster, and stays.
   * @default "postgres"
   */
  superuser?: string | undefined;
  /**
   * What the server's image is built from.
   * @default - PostgreSQL 18 on Alpine, with pgvector compiled from source
   * @example { version: "17", base: "debian", pgvector: { from: "package" } }
   */
  image?: ImageSource | undefined;
  /**
   * Id of an image to run instead of the built one. `pgstead undo` writes it.
   * @default - the built image runs
   * @example "sha256:0c1d..."
   */
  pinnedImage?: string | undefined;
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
  /**
   * Port on the loopback of the engine's machine.
   * @default - no port is published
   * @example 5433
   */
  publishedPort?: number | undefined;
  /**
   * Encrypts connections over the network; `{}` generates a certificate.
   * @default - they are not encrypted
   * @example { required: true, names: ["db.example.com"] }
   */
  tls?: DockerTlsArgs | undefined;
  /** Passwords of the roles. @default - they are generated once */
  passwords?: Pick<PasswordsArgs, "fixed" | "rotation"> | undefined;
  /**
   * The keys of a stack whose state was lost, for a new state. `pgstead recover` reads them.
   * @default - they are generated, and volumes that the state does not know are refused
   */
  recovered?: RecoveredKeys | undefined;
  /** Changes that are refused, and what allows them. @default - as each of its keys says */
  guards?: GuardArgs | undefined;
  /**
   * Refuse to delete what the stack remembers: passwords, and the facts of the cluster. A protected stack
   * also needs a proven backup before its image changes.
   * @default true
   */
  protect?: boolean | undefined;
  /** Seconds that the server has to shut down before it is killed. @default 120 */
  stopSeconds?: number | undefined;
  /**
   * Scheme of the URL for another migrator than pgstead's.
   * @default - there is no other migrator
   * @example "postgresql+psycopg"
   */
  migratorScheme?: string | undefined;
  /**
   * Rules for the migration files.
   * @default - all files, and no file older than the newest applied one
   * @example { files: "*.up.sql", outOfOrder: "apply" }
   */
  migrations?: Omit<SettingsInput["migrations"], "folder"> | undefined;
  /**
   * More checks for `pgstead check`.
   * @default - health and extension only
   * @example [{ name: "orders", sql: "SELECT count(*) > 0 FROM orders", expect: true }]
   */
  checks?: SettingsInput["checks"] | undefined;
  /**
   * What `pgstead vector` compares the database with.
   * @default - what the database itself holds
   * @example { dimensions: 1536 }
   */
  vector?: SettingsInput["vector"] | undefined;
  /**
   * When the agent takes backups, and where they go.
   * @default - it takes none
   * @example { folder: BACKUPS_FOLDER, schedule: "0 2 * * *", keepDays: 7 }
   */
  backups?: pulumi.Input<SettingsInput["backups"]> | undefined;
  /**
   * More files for the agent, by absolute path below `/run/pgstead`.
   * @default - there are none
   * @example { [`${FILES_FOLDER}/bucket-key.json`]: bucket.credentials }
   */
  files?: Record<string, pulumi.Input<string>> | undefined;
  /**
   * Address of the Docker engine, as the provider has it.
   * @default - the docker client's own
   * @example "ssh://deploy@db.example.com"
   */
  dockerHost?: string | undefined;
  /**
   * Change the resources, after the defaults above. A change that moves the data is refused.
   * @default - nothing is changed
   */
  transform?:
    | (PostgresImageArgs["transform"] &
        DataVolumesArgs["transform"] &
        PostgresDatabaseArgs["transform"])
    | undefined;
}

/** What belongs to the data and was in the lost state. A key that is missing is generated. */
export interface RecoveredKeys {
  passwords?: Record<LoginRole, string> | undefined;
  sealKey?: string | undefined;
}

export interface DockerTlsArgs extends ServerTlsArgs {
  /** Refuse connections over the network that do not use TLS. @default false */
  required?: boolean | undefined;
}

/** Changes that are refused, and what allows them. */
export interface GuardArgs {
  /**
   * Changes to allow that a guard has refused by name.
   * @default - they are refused
   * @example ["release debian-forky"]
   */
  accept?: string[] | undefined;
  /**
   * Before the image of a protected stack changes, its newest proven backup must be younger than these
   * hours; otherwise a backup is taken and proven first. 0 needs none.
   * @default 24
   */
  provenWithinHours?: number | undefined;
  /** Start with an empty volume although this stack has had data. For one run. @default false */
  acceptEmptyVolume?: boolean | undefined;
}

/** What a container of the stack needs to run `pgstead`. */
export interface AgentParts {
  /** Id of the agent's image. */
  image: pulumi.Output<string>;
  /** Volumes by the path where they are mounted. */
  volumes: Record<string, pulumi.Output<string>>;
}

/** The agent's own files, and the migrations of the last `up`. */
export const AGENT_FOLDER = "/var/lib/pgstead";
const SEAL_KEY_FILE = `${FILES_FOLDER}/seal-key`;
/** Backups on the stack's own volume, inside the agent's container. */
export const BACKUPS_FOLDER = `${AGENT_FOLDER}/backups`;
const HOST = "postgres";
const PORT = 5432;

/**
 * PostgreSQL with pgvector in a container, on named volumes. The image is built here.
 *
 * @example
 * new DockerPostgres("postgres", {
 *   image: { base: "debian" },
 *   size: { memoryMb: 8192, cpus: 4 },
 *   publishedPort: 5433,
 * });
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
  /** For other containers of the stack that run `pgstead`. */
  readonly agent: AgentParts;
  /** Volume with the migrator's URL, if `migratorScheme` is set. */
  readonly migratorVolume: pulumi.Output<string> | undefined;
  /** The components underneath, each with `nodes` of its own. */
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
    const { database = DEFAULTS.database, superuser = DEFAULTS.postgres.superuser } = args;
    const { protect = true, dockerHost, pinnedImage, guards = {} } = args;
    const cluster = normalizeCluster();
    const settings = pulumi.output(args.backups).apply(createSettings);
    const image = createImage();
    const volumes = createVolumes();
    // Until the volumes are this stack's own, the state records no key: the first one recorded stays.
    const known = { parent, dependsOn: volumes.nodes.cluster };
    const passwords = createPasswords();
    const tls = args.tls && createTls(args.tls);
    const guard = createGuard();
    const server = createServer();

    this.database = pulumi.output(database);
    this.url = createUrl("app", HOST, PORT);
    this.migratorUrl = createUrl("migrator", HOST, PORT);
    this.readonlyUrl = createUrl("readonly", HOST, PORT);
    this.hostUrl = createHostUrl();
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

    function normalizeCluster(): ClusterFacts {
      const { version = DEFAULTS.postgres.version, base = DEFAULTS.postgres.base } =
        args.image ?? {};
      return { major: version.split(".")[0] as string, base };
    }

    function createImage() {
      return new PostgresImage(
        `${name}-image`,
        { prefix, source: args.image, pinnedImage, dockerHost, transform: args.transform },
        { parent },
      );
    }

    function createPasswords() {
      const { fixed, rotation } = args.passwords ?? {};
      const first = args.recovered?.passwords;
      return new Passwords(`${name}-passwords`, { fixed, rotation, first, protect }, known);
    }

    function createTls({ certificate, key, names, renewal }: DockerTlsArgs) {
      return new ServerTls(`${name}-tls`, { certificate, key, names, renewal }, known);
    }

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
          superuser,
        },
        roles: { passwords: `${FILES_FOLDER}/passwords` },
        migrations: { ...args.migrations, folder: `${AGENT_FOLDER}/migrations` },
        checks: args.checks ?? [],
        ...(args.vector && { vector: args.vector }),
        ...(backups && { backups: { sealKeyFile: SEAL_KEY_FILE, ...backups } }),
      };
    }

    function createVolumes() {
      if (guards.acceptEmptyVolume) warnOfEmptyVolume();
      return new DataVolumes(
        `${name}-volumes`,
        {
          prefix,
          cluster,
          after: [image.nodes.server],
          protect,
          acceptEmpty: guards.acceptEmptyVolume ?? false,
          takeOver: args.recovered !== undefined,
          ...(dockerHost && { dockerHost }),
          ...(args.transform && { transform: args.transform }),
        },
        { parent },
      );
    }

    function warnOfEmptyVolume() {
      const effect = "postgres.acceptEmptyVolume is set: a missing data volume is created empty";
      pulumi.log.warn(`${effect}; remove the key after this run`, parent);
    }

    function createGuard() {
      return new ChangeGuard(
        `${name}-change`,
        {
          prefix,
          image: pulumi
            .all([image.server, volumes.cluster, volumes.data])
            .apply(async ([id, remembered, volume]) => {
              await refuseOtherCluster(remembered, volume);
              return id;
            }),
          server: describeServer(),
          pinnedImage,
          superuser,
          protect,
          provenWithinHours: guards.provenWithinHours,
          accept: guards.accept,
          dockerHost,
        },
        { parent },
      );
    }

    /** What the guard tries of it. */
    function describeServer(): WantedServer {
      const { major } = cluster;
      const { memoryMb, cpus } = args.size ?? {};
      const sized = sizeServer(`${name}-server`, { ...args.size, major }, args.serverSettings);
      return {
        settings: Object.fromEntries(sized.settings.map((each) => [each.name, each.value])),
        given: args.serverSettings ?? {},
        cpus,
        memoryMb,
        shmMb: sized.shmMb,
        maintenanceWorkMemMb: args.size?.maintenanceWorkMemMb,
        port: args.publishedPort,
        stopSeconds: args.stopSeconds ?? DEFAULTS.postgres.stopSeconds,
        tls: args.tls && (args.tls.certificate ? "given" : describeTls(args.tls)),
      };
    }

    function describeTls({ required, names, renewal }: DockerTlsArgs) {
      return {
        ...(required !== undefined && { required }),
        ...(names && { names }),
        ...(renewal && { renewal }),
      };
    }

    async function refuseOtherCluster(remembered: ClusterFacts, volume: string) {
      const change = describeClusterChange(remembered, cluster);
      if (!change) return;
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
          prefix,
          // An input of the container, so a refused volume stops the container too.
          image: pulumi.all([guard.image, volumes.data]).apply(([id]) => id),
          dataVolume: volumes.data,
          database,
          superuser,
          major: cluster.major,
          publishedPort: args.publishedPort,
          size: args.size,
          serverSettings: args.serverSettings,
          files: {
            settings,
            passwords: passwords.of,
            migratorUrl:
              args.migratorScheme && createUrl("migrator", HOST, PORT, args.migratorScheme),
            more: { ...args.files, [SEAL_KEY_FILE]: createSealKey() },
          },
          tls: tls && { certificate: tls.certificate, key: tls.key, required: args.tls?.required },
          accept: guards.accept,
          stopSeconds: args.stopSeconds,
          dockerHost,
          transform: args.transform,
        },
        // Nothing of it changes while the volume is refused.
        { parent, dependsOn: volumes.nodes.data },
      );
    }

    /** Apart from the passwords, which are rotated: seals are checked for years. */
    function createSealKey() {
      const first = args.recovered?.sealKey ?? generatePassword();
      return pulumi.secret(stashFirst(`${name}-seal-key`, first, { ...known, protect }).output);
    }

    function createUrl(role: LoginRole, host: string, port: number, scheme = "postgresql") {
      const sslmode = args.tls?.required ? "require" : undefined;
      return pulumi.secret(
        passwords.of[role].apply((password) =>
          createDatabaseUrl({ scheme, user: role, password, host, port, database, sslmode }),
        ),
      );
    }

    function createHostUrl(): pulumi.Output<string | null> {
      // A port on the loopback of another machine cannot be reached from here.
      const isHere = !dockerHost || dockerHost.startsWith("unix:");
      return args.publishedPort && isHere
        ? createUrl("app", "127.0.0.1", args.publishedPort)
        : pulumi.output(null);
    }
  }
}

/** Why a server of `wanted` cannot run on the remembered cluster; undefined if it can. */
export function describeClusterChange(
  remembered: ClusterFacts,
  wanted: ClusterFacts,
): string | undefined {
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
