import { readFileSync } from "node:fs";
import * as z from "zod";
import {
  backupFields,
  bucketFields,
  migrationFields,
  sqlCheckFields,
  urlCheckFields,
  vectorFields,
} from "../config/agent-fields.ts";
import { ENGINES } from "../config/choices.ts";
import { mistake } from "./error.ts";

/*
 * The settings of one stack. Components write them as JSON and import only the types; `pgstead VERB` reads
 * them. The types are strict for who writes. Who reads accepts unknown keys: an `up` that fails after
 * it has written them must not stop the agent of the last version.
 */

/** How `pgstead` reaches the database. Secrets are in files, so that anyone may read the settings. */
const DatabaseSettings = z.object({
  /** A host name, or the folder of a unix socket. */
  host: z.string(),
  port: z.int().min(1).max(65535),
  name: z.string(),
  user: z.string(),
  /** File that holds the password. Without it no password is sent. */
  passwordFile: z.string().optional(),
  /** Role that owns what migrations create: they run after `SET ROLE`. */
  owner: z.string().optional(),
  /** Superuser for dumps and the bootstrap, over the socket and without a password. */
  superuser: z.string().optional(),
});

/** The roles that `up` sets, on the engine `docker`. */
const RoleSettings = z.object({
  /** Folder with one file for each role (`migrator`, `app`, `readonly`), which holds its password. */
  passwords: z.string(),
});

const MigrationSettings = z.object({
  /** Absolute path of the folder that holds the SQL. */
  folder: z.string(),
  ...migrationFields,
  /** A migration is undone or run again only with a name and a reason. */
  protected: z.boolean().default(false),
});

/** The bucket for copies: S3, or a service that speaks its protocol. */
const BucketSettings = z.object({
  name: z.string().min(3),
  ...bucketFields,
  /** `https://host/bucket/key`, which most S3-compatible services need. */
  pathStyle: z.boolean().default(false),
  /**
   * JSON file with `accessKeyId` and `secretAccessKey`.
   * @default - the role of the machine or container
   */
  credentialsFile: z.string().optional(),
  /** PEM file with the certificate authority of a private endpoint. */
  caFile: z.string().optional(),
});
export type BucketSettings = z.infer<typeof BucketSettings>;

const BackupSettings = z.object({
  /** Absolute path of the folder for local copies and the scheduler's state. */
  folder: z.string(),
  ...backupFields,
  /** File with the key that seals the manifests. Without it they have no seal. */
  sealKeyFile: z.string().optional(),
  /** File with the URL that is called on failure and on recovery. */
  webhookFile: z.string().optional(),
  /** File with the URL that is called after each proven backup. */
  pingFile: z.string().optional(),
  /** Port of `/metrics` and `/healthz`; 0 takes any free port. */
  metricsPort: z.int().min(0).max(65535).default(9464),
  bucket: BucketSettings.optional(),
});
export type BackupSettings = z.infer<typeof BackupSettings>;

const Check = z.union([z.object(sqlCheckFields), z.object(urlCheckFields)]);
export type Check = z.infer<typeof Check>;

export const Settings = z.object({
  stack: z.string(),
  engine: z.enum(ENGINES),
  database: DatabaseSettings,
  /** Only with the engine `embedded`: the folder that holds the data, the log and the lock. */
  embedded: z.object({ folder: z.string() }).optional(),
  roles: RoleSettings.optional(),
  migrations: MigrationSettings,
  checks: z.array(Check).default([]),
  vector: z.object(vectorFields).optional(),
  backups: BackupSettings.optional(),
});
export type Settings = z.infer<typeof Settings>;
/** What a component writes: keys with a default may be left out. */
export type SettingsInput = z.input<typeof Settings>;

export function readSettings(file: string): Settings {
  const given = readJson(file);
  const parsed = Settings.safeParse(given);
  if (!parsed.success) {
    throw mistake(
      `the settings in ${file} do not fit this version of pgstead; run "pgstead up" to write them again\n${z.prettifyError(parsed.error)}`,
    );
  }
  warnOfUnknownKeys(file, unknownKeys(given, parsed.data));
  return withGivenMigrations(parsed.data);
}

function warnOfUnknownKeys(file: string, keys: string[]): void {
  if (keys.length === 0) return;
  process.stderr.write(
    `warning: this version of pgstead ignores keys in ${file} that it does not know: ${keys.join(", ")}\n`,
  );
}

/** Paths of the keys that were given and that the schema has left out: `backups.keepYears`. */
function unknownKeys(given: unknown, read: unknown, path = ""): string[] {
  if (!isObject(given)) return [];
  const known = isObject(read) ? read : {};
  return Object.entries(given).flatMap(([key, value]) =>
    key in known ? unknownKeys(value, known[key], `${path}${key}.`) : [`${path}${key}`],
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** A verb that runs in a container is given the migration files of the checkout. */
function withGivenMigrations(settings: Settings): Settings {
  const folder = process.env.PGSTEAD_MIGRATIONS;
  return folder ? { ...settings, migrations: { ...settings.migrations, folder } } : settings;
}

/** `-` is standard input. */
function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8"));
  } catch (error) {
    throw mistake(`cannot read the settings in ${file}: ${(error as Error).message}`, error);
  }
}
