/*
 * What other programs import as `pgstead/components`. Whoever does without the SDK of AWS or of
 * Docker imports the files they need, `pgstead/components/engines/embedded`, and not this one.
 */
export { BackupBucket, type BackupBucketArgs } from "./backup-bucket.ts";
export { BackupSidecar, type BackupSidecarArgs } from "./backup-sidecar.ts";
export type { BucketSetting } from "./bucket-features.ts";
export { lifecycleRules, type Retention } from "./bucket-lifecycle.ts";
export { assertAdoptable, type SurveyArgs } from "./bucket-survey.ts";
export { type ClusterFacts, DataVolumes, type DataVolumesArgs } from "./data-volumes.ts";
export { EmbeddedMigrations, type EmbeddedMigrationsArgs } from "./embedded-migrations.ts";
export {
  type AgentParts,
  BACKUPS_FOLDER,
  DockerPostgres,
  type DockerPostgresArgs,
} from "./engines/docker.ts";
export { EmbeddedPostgres, type EmbeddedPostgresArgs } from "./engines/embedded.ts";
export type { Endpoint } from "./engines/endpoint.ts";
export { ConfigError } from "./error.ts";
export { Migrations, type MigrationsArgs, type MigrationTool } from "./migrations.ts";
export { type LoginRole, Passwords, type PasswordsArgs } from "./passwords.ts";
export { type Database, type MigrationFiles, readMigrationFiles } from "./pending-migrations.ts";
export { PostgresDatabase, type PostgresDatabaseArgs } from "./postgres-database.ts";
export {
  type Base,
  type PgvectorArgs,
  PostgresImage,
  type PostgresImageArgs,
} from "./postgres-image.ts";
export { assertRetention, type RetentionPlan } from "./retention-proof.ts";
export { FILES_FOLDER } from "./server-files.ts";
export {
  type ServerSetting,
  type ServerSize,
  type SettingValue,
  type SizedServer,
  sizeServer,
} from "./server-settings.ts";
export { ServerTls, type ServerTlsArgs } from "./server-tls.ts";
export type { Transform } from "./transform.ts";
