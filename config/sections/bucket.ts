import * as z from "zod";
import { bucketFields } from "../agent-fields.ts";
import { BUCKET_SETTINGS, COLD_CLASSES, LOCK_MODES } from "../choices.ts";
import { DEFAULTS } from "../defaults.ts";
import { text, url } from "../fields.ts";

const defaults = DEFAULTS.bucket;

const accessKey = z
  .strictObject({
    id: text.describe("Id of the access key."),
    secret: text.describe("Its secret; set it with `--secret`."),
  })
  .optional()
  .describe("Access key for the agent, where pgstead cannot make one.");

const adopt = z
  .strictObject({
    raise: z
      .array(z.enum(BUCKET_SETTINGS))
      .default([])
      .describe("Weaker settings of that bucket to change."),
  })
  .optional()
  .describe("Take over the existing bucket `name`.");

const objectLock = z
  .strictObject({
    mode: z
      .enum(LOCK_MODES)
      .describe(
        "GOVERNANCE: a permission of its own lifts the lock. COMPLIANCE: nobody lifts it, not even the owner of the account.",
      ),
    days: z.int().min(1).describe("Days that a version is locked."),
  })
  .optional()
  .describe("Lock each version, so that nobody deletes it for some days.");

const extraRule = z.strictObject({
  id: text,
  prefix: z.string(),
  expireDays: z.int().min(1).optional(),
  coldAfterDays: z.int().min(1).optional(),
  coldClass: z.enum(COLD_CLASSES).optional(),
});

export const bucket = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
        error: "3 to 63 lower-case letters, digits, - and .",
      })
      .optional()
      .describe("Name of the bucket. Without it one is generated."),
    ...bucketFields,
    iamEndpoint: url
      .optional()
      .describe("URL of that service's IAM. Without it `accessKey` is needed."),
    accessKey,
    retentionDays: z
      .int()
      .min(1)
      .default(defaults.retentionDays)
      .describe("Days that dumps stay in the bucket."),
    noncurrentDays: z
      .int()
      .min(1)
      .default(defaults.noncurrentDays)
      .describe("Days in which deleted and overwritten objects can be brought back."),
    minBackups: z
      .int()
      .min(1)
      .max(100)
      .default(3)
      .describe(
        "Restorable backups that the bucket holds at every moment. `preview` refuses a plan that holds fewer.",
      ),
    coldAfterDays: z
      .int()
      .min(1)
      .optional()
      .describe("Days after which dumps move to `coldClass`. Without it they never move."),
    coldClass: z
      .enum(COLD_CLASSES)
      .default(defaults.coldClass)
      .describe("Storage class of older dumps. A restore from the last two takes hours."),
    kmsKey: z
      .string()
      .regex(/^(make|arn:.+)$/, { error: "`make`, or the ARN of a key" })
      .optional()
      .describe("KMS key that encrypts: `make`, or an ARN. Without it S3's own keys encrypt."),
    kmsEndpoint: url.optional().describe("URL of the KMS of `endpoint`, if it has one."),
    roleArn: z
      .string()
      .regex(/^arn:[^:]+:iam::\d*:role\/.+$/, { error: "the ARN of a role" })
      .optional()
      .describe(
        "Role of the machine that the agent runs on. It gets the rights, and no access key is made.",
      ),
    pgbackrest: z
      .boolean()
      .default(false)
      .describe("Make a second access key, which may delete, but only below `pgbackrest/`."),
    without: z
      .array(z.enum(BUCKET_SETTINGS))
      .default([])
      .describe(
        "Settings to leave out: the service does not have them, or an adopted bucket keeps its own.",
      ),
    adopt,
    objectLock,
    extraRules: z
      .array(extraRule)
      .default([])
      .describe(
        "Lifecycle rules for other objects in the bucket: `{id, prefix, expireDays, coldAfterDays, coldClass}`.",
      ),
    protect: z
      .boolean()
      .default(true)
      .describe("Refuse to delete the bucket. Turn it off only if nobody needs the backups."),
  })
  .optional()
  .describe("The S3 bucket for backups. `{}` makes one; without the section there is none.");
