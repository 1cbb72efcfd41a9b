import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { SettingsInput } from "../../operate/settings.ts";
import { ConfigError } from "../error.ts";
import { beforeChange } from "../guards/hooks.ts";
import { runPgstead } from "../pgstead.ts";
import type { Endpoint } from "./endpoint.ts";

/** What the pinned PGlite packages contain; a test asks the running server. */
const POSTGRES_VERSION = "18.6";
const PGVECTOR_VERSION = "0.8.7";

const HOST = "127.0.0.1";

export interface EmbeddedPostgresArgs {
  /** Absolute path of the folder for the data, the log and the settings. */
  folder: string;
  /** How migrations are run; the folder that holds the SQL is an absolute path. */
  migrations: SettingsInput["migrations"];
  /** @default 5433 */
  port?: number;
  /**
   * Name in the URLs. The server has one database and lets every name in.
   * @default "app"
   */
  database?: string;
  /** @default - health and extension only */
  checks?: SettingsInput["checks"];
  /** What `pgstead vector` compares with. */
  vector?: SettingsInput["vector"];
  /** How long backups are kept. @default - 7 days, in the folder `backups` beside the data */
  backups?: Partial<SettingsInput["backups"]>;
}

/**
 * PostgreSQL + pgvector in WebAssembly, served on loopback by a background process that survives
 * `up`. For the first minute, demos and tests: it accepts every user and password.
 *
 * @example
 * new EmbeddedPostgres("postgres", { folder: "/srv/app/.pgstead/local", migrations: { folder: "/srv/app/migrations" } });
 */
export class EmbeddedPostgres extends pulumi.ComponentResource implements Endpoint {
  readonly host = pulumi.output(HOST);
  readonly port: pulumi.Output<number>;
  readonly database: pulumi.Output<string>;
  readonly url: pulumi.Output<string>;
  readonly hostUrl: pulumi.Output<string>;
  readonly migratorUrl = pulumi.output(null);
  readonly readonlyUrl = pulumi.output(null);
  readonly network = pulumi.output(null);
  readonly image = pulumi.output(null);
  readonly postgresVersion = pulumi.output(POSTGRES_VERSION);
  readonly pgvectorVersion = pulumi.output(PGVECTOR_VERSION);
  readonly settings: SettingsInput;
  /** Where the settings for `pgstead` verbs lie once the server has been brought up. */
  readonly settingsFile: string;
  /** Brings the server up if it is not. Called by hooks, so never in a preview. */
  readonly start: () => Promise<void>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { server: pulumi.Stash };

  constructor(name: string, args: EmbeddedPostgresArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:EmbeddedPostgres", name, {}, opts);

    const parent = this;
    const port = args.port ?? 5433;
    const database = args.database ?? "app";
    const settings = normalizeSettings();
    const settingsFile = join(args.folder, "settings.json");
    const start = async () => {
      writeSettings();
      await runPgstead(["serve", "--detach", "--settings", settingsFile]);
    };
    const server = createServer();

    this.settings = settings;
    this.settingsFile = settingsFile;
    this.start = start;
    this.nodes = { server };
    // Through the server's own output: nobody connects before it stands.
    this.port = server.input.apply((input: { port: number }) => input.port);
    this.database = pulumi.output(database);
    this.url = pulumi.secret(this.port.apply((at) => `postgresql://app@${HOST}:${at}/${database}`));
    this.hostUrl = this.url;
    this.registerOutputs({ url: this.url });

    function normalizeSettings(): SettingsInput {
      if (port < 1024) {
        throw new ConfigError(`"port" of "${name}" must be 1024 or more, got ${port}`);
      }
      return {
        stack: pulumi.getStack(),
        engine: "embedded",
        database: { host: HOST, port, name: database, user: "postgres" },
        embedded: { folder: args.folder },
        migrations: args.migrations,
        checks: args.checks ?? [],
        ...(args.vector && { vector: args.vector }),
        backups: { folder: join(args.folder, "backups"), ...args.backups },
      };
    }

    function writeSettings() {
      mkdirSync(args.folder, { recursive: true });
      writeFileSync(settingsFile, `${JSON.stringify(settings, null, 2)}\n`);
    }

    function createServer() {
      const hooks = beforeChange(`${name}-start`, start);
      return new pulumi.Stash(`${name}-server`, { input: { port, database } }, { parent, hooks });
    }
  }
}
