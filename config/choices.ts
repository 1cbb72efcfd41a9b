/*
 * Values that a key may have. Plain data, without zod: components and `operate` import it too.
 */

export const ENGINES = ["embedded", "docker"] as const;

/** S3: since 17 a new cluster has a collation of its own. A newer major is added after a test on a real server. */
export const MAJORS: readonly string[] = ["17", "18"];

/** Distributions of the server's image. */
export const BASES = ["alpine", "debian"] as const;
export type Base = (typeof BASES)[number];

export const PGVECTOR_ORIGINS = ["source", "package"] as const;
/** Keys of `postgres.pgvector` that choose the source. A package has a version of its own. */
export const PGVECTOR_SOURCE_KEYS = ["version", "url", "sha256"] as const;

/** Roles that log in over the network. The superuser has no password. */
export const LOGIN_ROLES = ["migrator", "app", "readonly"] as const;
export type LoginRole = (typeof LOGIN_ROLES)[number];

/** What `up` does with a migration file that is older than the newest applied one. */
export const OUT_OF_ORDER = ["refuse", "apply", "skip"] as const;

/** When `up` runs the migration step. */
export const RUN_ON = ["always", "changed"] as const;

/** How often a backup is restored into a scratch server. */
export const VERIFY = ["each", "daily", "weekly"] as const;

/** Storage classes for older dumps. Restores from the last two take hours. */
export const COLD_CLASSES = ["STANDARD_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"] as const;
export type ColdClass = (typeof COLD_CLASSES)[number];

/** Settings of a bucket that can be left out one by one. */
export const BUCKET_SETTINGS = [
  "publicAccess",
  "ownership",
  "encryption",
  "versioning",
  "policy",
  "lifecycle",
] as const;
export type BucketSetting = (typeof BUCKET_SETTINGS)[number];

export const LOCK_MODES = ["GOVERNANCE", "COMPLIANCE"] as const;
