import { readFileSync } from "node:fs";
import * as z from "zod";
import { mistake } from "./error.ts";

/** How `pgstead` reaches the database. Secrets are files, so that settings can be read by anyone. */
const DatabaseSettings = z.strictObject({
  /** A host name, or the folder of a unix socket. */
  host: z.string(),
  port: z.int().min(1).max(65535),
  name: z.string(),
  user: z.string(),
  /** File that holds the password; none is sent without it. */
  passwordFile: z.string().optional(),
  /** Role that migrations run as (`SET ROLE`), so that objects belong to it. */
  owner: z.string().optional(),
  /** Role of dumps and of the bootstrap, where we have it; reached over the socket, no password. */
  superuser: z.string().optional(),
});

/** The roles that `up` sets on our own engines. */
const RoleSettings = z.strictObject({
  /** Folder with one file a role (`migrator`, `app`, `readonly`) that holds its password. */
  passwords: z.string(),
});

const MigrationSettings = z.strictObject({
  /** Absolute path of the folder that holds the SQL. */
  folder: z.string(),
  /** Which names in it are migrations, as a glob. */
  files: z.string().min(1).default("*"),
  /** What `up` does with files older than the newest applied one. */
  outOfOrder: z.enum(["refuse", "apply", "skip"]).default("refuse"),
  /** Undoing and running again need somebody's name and a reason. */
  protected: z.boolean().default(false),
});

/** Where copies go besides the local folder: S3 or a service that speaks it. */
const BucketSettings = z.strictObject({
  name: z.string().min(3),
  region: z.string().min(1).default("us-east-1"),
  /** Of an S3-compatible service; AWS's own where it is left out. */
  endpoint: z.url().optional(),
  /** `https://host/bucket/key`, which most S3-compatible services need. */
  pathStyle: z.boolean().default(false),
  /** Prefix of every key, such as `team/`: more than one stack may share a bucket. */
  prefix: z
    .string()
    .regex(/^([A-Za-z0-9_.-]+\/)*$/)
    .default(""),
  /**
   * JSON file with `accessKeyId` and `secretAccessKey`. Without it the role of the machine or
   * container is asked.
   */
  credentialsFile: z.string().optional(),
  /** Certificate authority of a private endpoint, as PEM. */
  caFile: z.string().optional(),
});
export type BucketSettings = z.infer<typeof BucketSettings>;

const BackupSettings = z.strictObject({
  /** Absolute path of the folder for local copies and the scheduler's state. */
  folder: z.string(),
  /** Cron expression, in UTC. */
  schedule: z.string().default("0 2 * * *"),
  /** Days that local copies are kept; the newest good and the newest proven stay whatever their age. */
  keepDays: z.int().min(1).default(7),
  /** Beyond them, weeks and months that the newest good one of each is kept. */
  keepWeeks: z.int().min(0).default(0),
  keepMonths: z.int().min(0).default(0),
  /** Room that a dump must leave on the volume. */
  reserveMegabytes: z.int().min(0).default(512),
  /** File with the key of the manifests' seals; they go unsealed without it. */
  sealKeyFile: z.string().optional(),
  /** Hours after which the newest proven backup is too old. @default - two runs and two hours */
  maxProvenHours: z.number().positive().optional(),
  /** Files with the addresses that are told of failure and recovery, and of each proven backup. */
  webhookFile: z.string().optional(),
  pingFile: z.string().optional(),
  /** Where the agent answers `/metrics` and `/healthz`; any free port with 0. */
  metricsPort: z.int().min(0).max(65535).default(9464),
  /** Keys of `age` that the bucket's copies are encrypted to; nobody else can read them. */
  recipients: z.array(z.string().regex(/^age1[a-z0-9]+$/)).default([]),
  /** How often the newest backup is restored into a scratch server and compared. */
  verify: z.enum(["each", "daily", "weekly"]).default("each"),
  /** Table whose one row each manifest quotes: the newest entry of an audit log. */
  auditHead: z
    .string()
    .regex(/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/)
    .optional(),
  bucket: BucketSettings.optional(),
});
export type BackupSettings = z.infer<typeof BackupSettings>;

export const Check = z.union([
  z.strictObject({
    name: z.string().min(1),
    sql: z.string().min(1),
    /** The first column of the first row, as text. */
    expect: z.union([z.string(), z.number(), z.boolean()]).transform(String),
  }),
  z.strictObject({
    name: z.string().min(1),
    url: z.url({ error: "a URL" }),
    /** The HTTP status. */
    expect: z.int().min(100).max(599).default(200),
  }),
]);
export type Check = z.infer<typeof Check>;

/** What the application does with vectors, which the database cannot know. */
export const VectorSettings = z.strictObject({
  dimensions: z.int().min(1).optional().describe("Dimensions of the embedding model."),
  efSearch: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("The application's `hnsw.ef_search`, where its role has no setting."),
  probes: z
    .int()
    .min(1)
    .optional()
    .describe("The application's `ivfflat.probes`, where its role has no setting."),
});

/**
 * The seam between what declares and what acts: components write it as JSON, `pgstead VERB` reads
 * it. Components import its type only.
 */
export const Settings = z.strictObject({
  stack: z.string(),
  engine: z.enum(["embedded", "docker"]),
  database: DatabaseSettings,
  /** Set for the engine `embedded`: the folder that holds the data, the log and the lock. */
  embedded: z.strictObject({ folder: z.string() }).optional(),
  roles: RoleSettings.optional(),
  migrations: MigrationSettings,
  checks: z.array(Check).default([]),
  vector: VectorSettings.optional(),
  backups: BackupSettings.optional(),
});
export type Settings = z.infer<typeof Settings>;
/** What a component writes: defaults may be left out. */
export type SettingsInput = z.input<typeof Settings>;

export function readSettings(file: string): Settings {
  const parsed = Settings.safeParse(readJson(file));
  if (parsed.success) return withGivenMigrations(parsed.data);
  // Written by another version of pgstead: `up` writes it anew.
  throw mistake(
    `the settings in ${file} do not fit this version of pgstead; run "pgstead up" to write them anew\n${z.prettifyError(parsed.error)}`,
  );
}

/** Whoever runs a verb in a container brings the files of the checkout along. */
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
