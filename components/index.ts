/*
 * Other programs import this file as `pgstead/components`. It needs the AWS SDK and the Docker SDK of
 * Pulumi. A program without one of them imports single files: `pgstead/components/engines/embedded`.
 */
export type { Base, BucketSetting, LoginRole } from "../config/choices.ts";
export { BackupBucket, type BackupBucketArgs } from "./bucket/backup-bucket.ts";
export { lifecycleRules, type Retention } from "./bucket/lifecycle.ts";
export { assertRetention, type RetentionPlan } from "./bucket/retention-proof.ts";
export { assertAdoptable, type SurveyArgs } from "./bucket/survey.ts";
export {
  type AgentParts,
  BACKUPS_FOLDER,
  DockerPostgres,
  type DockerPostgresArgs,
} from "./engines/docker.ts";
export { EmbeddedPostgres, type EmbeddedPostgresArgs } from "./engines/embedded.ts";
export type { Endpoint } from "./engines/endpoint.ts";
export { ConfigError } from "./error.ts";
export {
  EmbeddedMigrations,
  type EmbeddedMigrationsArgs,
} from "./migrations/embedded-migrations.ts";
export { Migrations, type MigrationsArgs, type MigrationTool } from "./migrations/migrations.ts";
export { type Database, type MigrationFiles, readMigrationFiles } from "./migrations/pending.ts";
export { PostgresDatabase, type PostgresDatabaseArgs } from "./server/database.ts";
export { FILES_FOLDER } from "./server/files.ts";
export {
  type ImageSource,
  type PgvectorArgs,
  PostgresImage,
  type PostgresImageArgs,
} from "./server/image.ts";
export { Passwords, type PasswordsArgs } from "./server/passwords.ts";
export { BackupSidecar, type BackupSidecarArgs } from "./server/sidecar.ts";
export { ServerTls, type ServerTlsArgs } from "./server/tls.ts";
export {
  type ServerSetting,
  type ServerSize,
  type SettingValue,
  type SizedServer,
  sizeServer,
} from "./server/tuning.ts";
export { type ClusterFacts, DataVolumes, type DataVolumesArgs } from "./server/volumes.ts";
export type { Transform } from "./transform.ts";
