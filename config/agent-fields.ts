import * as z from "zod";
import { OUT_OF_ORDER, VERIFY } from "./choices.ts";
import { DEFAULTS } from "./defaults.ts";
import { text, url } from "./fields.ts";

/*
 * Fields that go from the stack's file into the settings of the agent (operate/settings.ts). Each is
 * defined here only: a key that is renamed is renamed on both sides.
 */

export const migrationFields = {
  files: text
    .default("*")
    .describe("Which names in the folder are migrations, as a glob: `*.up.sql`."),
  outOfOrder: z
    .enum(OUT_OF_ORDER)
    .default("refuse")
    .describe("What `up` does with files older than the newest applied one."),
};

export const backupFields = {
  schedule: z
    .string()
    .default("0 2 * * *")
    .describe("When backups are taken, as a cron expression in UTC."),
  keepDays: z
    .int()
    .min(1)
    .default(7)
    .describe(
      "Days that copies stay on the backup volume. The newest good and the newest proven copy always stay.",
    ),
  keepWeeks: z
    .int()
    .min(0)
    .default(0)
    .describe("Weeks after `keepDays`, for each of which the newest good copy stays."),
  keepMonths: z
    .int()
    .min(0)
    .default(0)
    .describe("Months after `keepDays`, for each of which the newest good copy stays."),
  reserveMegabytes: z
    .int()
    .min(0)
    .default(512)
    .describe("MB that a dump and its verification leave free on the backup volume."),
  maxProvenHours: z
    .number()
    .positive()
    .optional()
    .describe(
      "The agent is unhealthy when the newest proven backup is older than these hours. By default: two runs and two hours.",
    ),
  recipients: z
    .array(z.string().regex(/^age1[a-z0-9]+$/, { error: "a public key of age: age1..." }))
    .default([])
    .describe(
      "Public keys of `age`. The bucket's copies are encrypted to them; keep the private key elsewhere.",
    ),
  verify: z
    .enum(VERIFY)
    .default("each")
    .describe("How often a backup is restored into a scratch server. Only this proves it."),
  auditHead: z
    .string()
    .regex(/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/, { error: "a table like audit.head" })
    .optional()
    .describe(
      "Table with one row, the newest entry of an audit log. Each manifest quotes the row, and a restored copy must have the same.",
    ),
};

export const bucketFields = {
  region: text.default(DEFAULTS.bucket.region).describe("Region of AWS."),
  prefix: z
    .string()
    .regex(/^([A-Za-z0-9_.-]+\/)*$/, { error: "nothing, or names that each end in /" })
    .default("")
    .describe("First part of every key, like `team/`, where several stacks share a bucket."),
  endpoint: url.optional().describe("URL of an S3-compatible service instead of AWS."),
};

export const sqlCheckFields = {
  name: text,
  sql: text,
  /** The first column of the first row, as text. */
  expect: z.union([z.string(), z.number(), z.boolean()]).transform(String),
};

export const urlCheckFields = {
  name: text,
  url,
  /** The HTTP status. */
  expect: z.int().min(100).max(599).default(200),
};

/** Facts about the application that the database does not hold. */
export const vectorFields = {
  dimensions: z.int().min(1).optional().describe("Dimensions of the embedding model."),
  efSearch: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe("The application's `hnsw.ef_search`, if its role has no such setting."),
  probes: z
    .int()
    .min(1)
    .optional()
    .describe("The application's `ivfflat.probes`, if its role has no such setting."),
};
