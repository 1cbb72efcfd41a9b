import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { EmbeddedPostgres } from "../components/engines/embedded.ts";
import { EmbeddedMigrations } from "../components/migrations/embedded-migrations.ts";
import { readMigrationFiles } from "../components/migrations/pending.ts";
import type { StackConfig } from "../config/stack-config.ts";
import { migrationRules } from "./migration-rules.ts";

/** A stack on the engine `embedded`: a background process of this machine. */
export async function deploy(config: StackConfig, root: string) {
  // The schema refuses these two here, because the engine has no agent that calls them.
  const { webhook: _, ping: __, ...backups } = config.backups;
  const postgres = new EmbeddedPostgres("postgres", {
    folder: join(root, ".pgstead", pulumi.getStack()),
    migrations: { folder: join(root, config.migrations.folder), ...migrationRules(config) },
    port: config.port,
    database: config.database,
    checks: config.checks,
    vector: config.vector,
    backups,
  });
  const files = await readMigrationFiles({ settings: postgres.settings });

  new EmbeddedMigrations("migrations", {
    postgres,
    pending: files.pending,
    runOn: config.migrations.runOn,
  });
  return {
    postgres,
    schemaVersion: files.newest,
    backupBucket: null,
    backupSchedule: backups.schedule,
  };
}
