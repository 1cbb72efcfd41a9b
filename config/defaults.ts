/**
 * Defaults that the schema shares with components and CLI. Plain data, without zod: a component can be
 * imported alone.
 */
export const DEFAULTS = {
  engine: "embedded",
  port: 5433,
  database: "app",
  postgres: {
    version: "18",
    base: "debian",
    superuser: "postgres",
    provenWithinHours: 24,
    startSeconds: 300,
    stopSeconds: 120,
  },
  migrations: { folder: "migrations", runOn: "always" },
  bucket: {
    region: "us-east-1",
    retentionDays: 30,
    noncurrentDays: 30,
    coldClass: "STANDARD_IA",
  },
} as const;
