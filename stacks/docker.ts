import * as pulumi from "@pulumi/pulumi";
import {
  BACKUPS_FOLDER,
  DockerPostgres,
  type DockerTlsArgs,
} from "../components/engines/docker.ts";
import { Migrations, type MigrationTool } from "../components/migrations/migrations.ts";
import { readMigrationFiles } from "../components/migrations/pending.ts";
import { FILES_FOLDER } from "../components/server/files.ts";
import type { PgvectorArgs } from "../components/server/image.ts";
import type { PasswordsArgs } from "../components/server/passwords.ts";
import { BackupSidecar } from "../components/server/sidecar.ts";
import type { StackConfig } from "../config/stack-config.ts";
import type { BucketSettings, SettingsInput } from "../operate/settings.ts";
import { createBucket } from "./bucket.ts";
import { migrationRules } from "./migration-rules.ts";
import { readRecoveredKeys } from "./recovered-keys.ts";

/** A stack on the engine `docker`: containers and named volumes on one Docker host, and a bucket. */
export async function deploy(config: StackConfig, _root: string) {
  const stack = pulumi.getStack();
  const dockerHost = new pulumi.Config("docker").get("host");
  const { postgres: server, migrations } = config;
  const files = await readMigrationFiles({ stack });
  const bucket = await createBucket(config);

  // Key by key: the compiler refuses a key that does not exist, and a spread would let it pass.
  const postgres = new DockerPostgres("postgres", {
    database: config.database,
    superuser: server.superuser,
    image: {
      version: server.version,
      base: server.base,
      baseImage: server.baseImage,
      pgvector: pgvectorOf(server),
      buildNetwork: server.buildNetwork,
    },
    pinnedImage: server.image,
    size: {
      memoryMb: server.memoryMb,
      cpus: server.cpus,
      maintenanceWorkMemMb: server.maintenanceWorkMemMb,
    },
    serverSettings: server.settings,
    publishedPort: config.publish ? config.port : undefined,
    tls: tlsOf(server),
    passwords: { fixed: passwordsOf(server), rotation: server.passwordRotation },
    guards: {
      accept: server.accept,
      provenWithinHours: config.protect ? server.provenWithinHours : 0,
      acceptEmptyVolume: server.acceptEmptyVolume,
    },
    recovered: readRecoveredKeys(),
    stopSeconds: server.stopSeconds,
    migratorScheme: migrations.command && migrations.urlScheme,
    migrations: migrationRules(config),
    checks: config.checks,
    vector: config.vector,
    backups: pulumi.output(bucket?.settings).apply((settings) => backupsOf(config, settings)),
    files: { ...bucket?.files, ...addressFiles(config.backups) },
    dockerHost,
  });

  const { container, agent, network, migratorVolume } = postgres;
  const sidecar = new BackupSidecar(
    "agent",
    { agent, network, dockerHost },
    { dependsOn: postgres },
  );
  // After the agent: verbs such as `migrate adopt` run in it, also when the migrations fail.
  new Migrations(
    "migrations",
    {
      folder: migrations.folder,
      pending: files.pending,
      runOn: migrations.runOn,
      rotation: server.passwordRotation,
      startSeconds: server.startSeconds,
      tool: toolOf(config, migratorVolume),
      container,
      agent,
      network,
      dockerHost,
    },
    { dependsOn: sidecar },
  );
  return {
    postgres,
    schemaVersion: files.newest,
    backupBucket: bucket?.name ?? null,
    backupSchedule: config.backups.schedule,
  };
}

type Server = StackConfig["postgres"];

function pgvectorOf({ pgvector }: Server): PgvectorArgs | undefined {
  if (!pgvector) return undefined;
  const { from, version, url, sha256, allowBelowFloor } = pgvector;
  return { from, version, url, sha256, allowBelowFloor };
}

function tlsOf({ tls }: Server): DockerTlsArgs | undefined {
  if (!tls) return undefined;
  const { certificate, key, required, names, renewal } = tls;
  return { certificate, key, required, names, renewal };
}

function passwordsOf({ passwords }: Server): PasswordsArgs["fixed"] {
  if (!passwords) return undefined;
  const { migrator, app, readonly } = passwords;
  return { migrator, app, readonly };
}

function toolOf(
  { migrations }: StackConfig,
  volume: pulumi.Output<string> | undefined,
): MigrationTool | undefined {
  if (!migrations.command) return undefined;
  const { command, image, urlVariable } = migrations;
  return { command, image, urlVariable, volume };
}

const addressFile = (name: "webhook" | "ping") => `${FILES_FOLDER}/${name}-url`;

function backupsOf(
  { backups: { webhook, ping, ...rules } }: StackConfig,
  bucket: BucketSettings | undefined,
): SettingsInput["backups"] {
  return {
    webhookFile: webhook && addressFile("webhook"),
    pingFile: ping && addressFile("ping"),
    folder: BACKUPS_FOLDER,
    ...rules,
    bucket,
  };
}

/** A URL may hold a token, so it travels like a password: in a file, and encrypted in the state. */
function addressFiles({ webhook, ping }: StackConfig["backups"]) {
  return {
    ...(webhook && { [addressFile("webhook")]: pulumi.secret(webhook) }),
    ...(ping && { [addressFile("ping")]: pulumi.secret(ping) }),
  };
}
