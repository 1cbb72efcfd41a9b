/*
 * What the stack deploys:
 * - a PostgreSQL server with pgvector, on the engine of the configuration;
 * - the migration step, which brings `migrations/` into the database on each `pulumi up`;
 * - the outputs that application deploys consume.
 */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { EmbeddedMigrations } from "./components/embedded-migrations.ts";
import { EmbeddedPostgres } from "./components/engines/embedded.ts";
import { readMigrationFiles } from "./components/pending-migrations.ts";
import { readConfig } from "./config.ts";

const config = readConfig();
const root = import.meta.dirname;

const postgres = new EmbeddedPostgres("postgres", {
  folder: join(root, ".pgstead", pulumi.getStack()),
  migrationsFolder: join(root, config.migrations.folder),
  port: config.port,
  database: config.database,
  checks: config.checks,
});

const files = await readMigrationFiles(postgres.settings);

new EmbeddedMigrations("migrations", {
  postgres,
  pending: files.pending,
  runOn: config.migrations.runOn,
});

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
export const schemaVersion = files.newest;
