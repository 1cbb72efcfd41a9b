import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { createDatabaseUrl } from "../../config/database-url.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import type { SettingsInput } from "../../operate/settings.ts";
import { ConfigError } from "../error.ts";
import { beforeChange } from "../guards/hooks.ts";
import { runPgstead } from "../pgstead.ts";
import type { Endpoint } from "./endpoint.ts";

/** Versions in the pinned PGlite packages; a test compares them with the running server. */
const POSTGRES_VERSION = "18.6";
const PGVECTOR_VERSION = "0.8.7";

const HOST = "127.0.0.1";

export interface EmbeddedPostgresArgs {
  /**
   * Absolute path of the folder for the data, the log and the settings.
   * @example "/srv/app/.pgstead/local"
   */
  folder: string;
  /**
   * Folder of the migration files, as an absolute path, and rules for them.
   * @example { folder: "/srv/app/migrations", outOfOrder: "apply" }
   */
  migrations: SettingsInput["migrations"];
  /** Port on loopback, 1024 or more. @default 5433 */
  port?: number | undefined;
  /**
   * Name of the database in the URLs. The server has one database and accepts every name.
   * @default "app"
   */
  database?: string | undefined;
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
   * How long backups are kept, and in which folder.
   * @default - 7 days, in the folder `backups` beside the data
   * @example { keepDays: 30 }
   */
  backups?: Partial<SettingsInput["backups"]> | undefined;
}

/**
 * PostgreSQL with pgvector in WebAssembly, on loopback. A background process serves it, and goes on after
 * `up`. It accepts every user and password, so use it for first steps, demos and tests.
 *
 * @example
 * new EmbeddedPostgres("postgres", {
 *   folder: "/srv/app/.pgstead/local",
 *   migrations: { folder: "/srv/app/migrations" },
 * });
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
  /** The settings for `pgstead` verbs. */
  readonly settings: SettingsInput;
  /** The file with them; it exists once the server has started. */
  readonly settingsFile: string;
  /** Starts the server if it does not run. Only hooks call it, so never in a preview. */
  readonly start: () => Promise<void>;
  /** The resources underneath, for what the outputs do not cover. */
  readonly nodes: { server: pulumi.Stash };

  constructor(name: string, args: EmbeddedPostgresArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pgstead:index:EmbeddedPostgres", name, {}, opts);

    const parent = this;
    const { port = DEFAULTS.port, database = DEFAULTS.database } = args;
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
    // From the output of the server's resource, so that nobody connects before it runs.
    this.port = server.input.apply((input: { port: number }) => input.port);
    this.database = pulumi.output(database);
    this.url = pulumi.secret(
      this.port.apply((at) => createDatabaseUrl({ user: "app", host: HOST, port: at, database })),
    );
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
