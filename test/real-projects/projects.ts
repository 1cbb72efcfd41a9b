/** Migrations of real projects, run as they are. Their SQL is theirs: it is read from checkouts. */
export interface Project {
  /** OWNER/NAME on GitHub. */
  repository: string;
  commit: string;
  /** Where in the repository the migrations lie. */
  folder: string;
  /** `migrations.files`, where other things lie there too. */
  files?: string;
  /** What the project's own tool or set-up makes before the first migration. */
  before?: string;
  layout: "DIR/up.sql + down.sql" | "DIR/migration.sql" | "N.up.sql + N.down.sql";
}

export const projects: Project[] = [
  {
    repository: "LemmyNet/lemmy",
    commit: "439734dd6",
    folder: "migrations",
    before:
      "create table __diesel_schema_migrations (version varchar(50) primary key, run_on timestamp not null default current_timestamp)",
    layout: "DIR/up.sql + down.sql",
  },
  {
    repository: "rust-lang/crates.io",
    commit: "57fa00066",
    folder: "migrations",
    files: "[0-9]*",
    layout: "DIR/up.sql + down.sql",
  },
  {
    repository: "rust-lang/docs.rs",
    commit: "ad3fc793",
    folder: "crates/lib/docs_rs_database/migrations",
    layout: "N.up.sql + N.down.sql",
  },
  {
    repository: "pocket-id/pocket-id",
    commit: "d258d952",
    folder: "backend/resources/migrations/postgres",
    layout: "N.up.sql + N.down.sql",
  },
  {
    repository: "chirpstack/chirpstack",
    commit: "d77207cd",
    folder: "chirpstack/migrations_postgres",
    before: "create extension pg_trgm",
    layout: "DIR/up.sql + down.sql",
  },
  {
    repository: "documenso/documenso",
    commit: "75330166c",
    folder: "packages/prisma/migrations",
    layout: "DIR/migration.sql",
  },
  {
    repository: "langfuse/langfuse",
    commit: "6275144614",
    folder: "packages/shared/prisma/migrations",
    layout: "DIR/migration.sql",
  },
  {
    repository: "matter-labs/zksync-era",
    commit: "3e29e4a08d",
    folder: "core/lib/dal/migrations",
    layout: "N.up.sql + N.down.sql",
  },
  {
    repository: "quickwit-oss/quickwit",
    commit: "9fd01432a",
    folder: "quickwit/quickwit-metastore/migrations/postgresql",
    layout: "N.up.sql + N.down.sql",
  },
  {
    repository: "graphprotocol/graph-node",
    commit: "f27eb5f2c",
    folder: "store/postgres/migrations",
    layout: "DIR/up.sql + down.sql",
  },
  {
    repository: "Plume-org/Plume",
    commit: "befea20f",
    folder: "migrations/postgres",
    layout: "DIR/up.sql + down.sql",
  },
  {
    repository: "dani-garcia/vaultwarden",
    commit: "46d71107",
    folder: "migrations/postgresql",
    layout: "DIR/up.sql + down.sql",
  },
];
