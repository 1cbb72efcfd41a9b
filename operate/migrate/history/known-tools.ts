/** Where another tool records what it has applied. */
export interface KnownTool {
  table: string;
  /** The column with the version or the file's name. */
  column: string;
  checksum?: string;
  /** Condition for the rows that count as applied. */
  where?: string;
  /** Its migrations are not SQL files, so the live schema becomes the first file. */
  hasPrograms?: boolean;
}

/** Several tools use the table `schema_migrations`; their columns differ. */
export const KNOWN_TOOLS = {
  alembic: { table: "alembic_version", column: "version_num", hasPrograms: true },
  "golang-migrate": { table: "schema_migrations", column: "version" },
  dbmate: { table: "schema_migrations", column: "version" },
  goose: {
    table: "goose_db_version",
    column: "version_id",
    where: "is_applied and version_id > 0",
  },
  "sql-migrate": { table: "gorp_migrations", column: "id" },
  flyway: {
    table: "flyway_schema_history",
    column: "script",
    where: "success and type = 'SQL' and version is not null",
  },
  prisma: {
    table: "_prisma_migrations",
    column: "migration_name",
    checksum: "checksum",
    where: "finished_at is not null and rolled_back_at is null",
  },
  diesel: { table: "__diesel_schema_migrations", column: "version" },
  sqlx: { table: "_sqlx_migrations", column: "version", where: "success" },
  knex: { table: "knex_migrations", column: "name", hasPrograms: true },
  django: { table: "django_migrations", column: "name", hasPrograms: true },
  liquibase: { table: "databasechangelog", column: "id", hasPrograms: true },
} satisfies Record<string, KnownTool>;

export type KnownToolName = keyof typeof KNOWN_TOOLS;
