/*
 * What the stack deploys:
 * - a PostgreSQL server with pgvector, on the engine of the configuration;
 * - the migration step, which brings `migrations/` into the database on each `pulumi up`;
 * - the agent, which takes the backups, and the bucket they go to (engine `docker`);
 * - the outputs that application deploys consume.
 */
import { readConfig } from "./config/read.ts";

const config = readConfig();
// Each engine loads what it needs and nothing of the other's.
const { deploy } =
  config.engine === "docker"
    ? await import("./stacks/docker.ts")
    : await import("./stacks/embedded.ts");
const { postgres, ...rest } = await deploy(config, import.meta.dirname);

export const host = postgres.host;
export const port = postgres.port;
export const database = postgres.database;
export const url = postgres.url;
export const migratorUrl = postgres.migratorUrl;
export const readonlyUrl = postgres.readonlyUrl;
export const hostUrl = postgres.hostUrl;
export const network = postgres.network;
export const image = postgres.image;
export const postgresVersion = postgres.postgresVersion;
export const pgvectorVersion = postgres.pgvectorVersion;
export const schemaVersion = rest.schemaVersion;
export const backupBucket = rest.backupBucket;
export const backupSchedule = rest.backupSchedule;
