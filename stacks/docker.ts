import * as pulumi from "@pulumi/pulumi";
import { BACKUPS_FOLDER, DockerPostgres } from "../components/engines/docker.ts";
import { Migrations } from "../components/migrations/migrations.ts";
import { readMigrationFiles } from "../components/migrations/pending.ts";
import { FILES_FOLDER } from "../components/server/files.ts";
import { BackupSidecar } from "../components/server/sidecar.ts";
import { migrationRules, type StackConfig } from "../config/config.ts";
import { createBucket } from "./bucket.ts";

/** A stack on the engine `docker`: containers and named volumes of one Docker host, and a bucket. */
export async function deploy(config: StackConfig, _root: string) {
  const stack = pulumi.getStack();
  const dockerHost = new pulumi.Config("docker").get("host");
  const { postgres: server, migrations, backups } = config;
  const files = await readMigrationFiles({ stack });
  const bucket = await createBucket(config);
  const { webhook, ping, ...kept } = { folder: BACKUPS_FOLDER, ...backups };
  const told = addressFiles({ webhook, ping });

  const postgres = new DockerPostgres("postgres", {
    ...server,
    database: config.database,
    passwords: { fixed: server.passwords, rotation: server.passwordRotation },
    publishedPort: config.publish ? config.port : undefined,
    serverSettings: server.settings,
    migratorScheme: migrations.command && migrations.urlScheme,
    protect: config.protect,
    checks: config.checks,
    vector: config.vector,
    migrations: migrationRules(config),
    backups: pulumi.output({ ...told.settings, ...kept, bucket: bucket?.settings }),
    files: { ...bucket?.files, ...told.files },
    dockerHost,
  });

  const migrated = new Migrations("migrations", {
    folder: migrations.folder,
    pending: files.pending,
    runOn: migrations.runOn,
    startSeconds: server.startSeconds,
    tool: migrations.command ? { ...migrations, volume: postgres.migratorVolume } : undefined,
    container: postgres.container,
    agent: postgres.agent,
    network: postgres.network,
    dockerHost,
  });

  const parts = { agent: postgres.agent, network: postgres.network, dockerHost };
  new BackupSidecar("agent", parts, { dependsOn: migrated });
  return {
    postgres,
    schemaVersion: files.newest,
    backupBucket: bucket?.name ?? null,
    backupSchedule: backups.schedule,
  };
}

/** Addresses may hold tokens, so they travel like passwords: in files, and encrypted in the state. */
function addressFiles(addresses: { webhook?: string | undefined; ping?: string | undefined }) {
  const given = Object.entries(addresses).filter(([, address]) => address);
  const file = (name: string) => `${FILES_FOLDER}/${name}-url`;
  return {
    settings: Object.fromEntries(given.map(([name]) => [`${name}File`, file(name)])),
    files: Object.fromEntries(
      given.map(([name, address]) => [file(name), pulumi.secret(address!)]),
    ),
  };
}
