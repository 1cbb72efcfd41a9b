import type { ColdClass } from "../../config/choices.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import { ConfigError } from "../error.ts";
import { prefixesOf } from "./policy.ts";

const defaults = DEFAULTS.bucket;

/** The earliest day on which S3 moves an object to a class, and the least days that it bills for. */
const CLASSES: Record<ColdClass, { earliest: number; billed: number }> = {
  STANDARD_IA: { earliest: 30, billed: 30 },
  GLACIER_IR: { earliest: 1, billed: 90 },
  GLACIER: { earliest: 1, billed: 90 },
  DEEP_ARCHIVE: { earliest: 1, billed: 180 },
};

export interface Retention {
  /** Days after which the bucket expires a dump. @default 30 */
  retentionDays?: number | undefined;
  /** Days for which a deleted or overwritten object can be recovered. @default 30 */
  noncurrentDays?: number | undefined;
  /**
   * Days after which a dump moves to colder storage. `STANDARD_IA` takes objects from day 30 on.
   * @default - dumps stay in standard storage until they expire
   */
  coldAfterDays?: number | undefined;
  /**
   * Storage class that a dump moves to. Reading an object from `GLACIER` or `DEEP_ARCHIVE` takes hours,
   * so the retention proof does not count it as restorable.
   * @default "STANDARD_IA"
   */
  coldClass?: ColdClass | undefined;
  /**
   * Lifecycle rules for other objects in the bucket.
   * @default []
   * @example
   * [{ id: "logs", prefix: "logs/", expireDays: 90 }]
   */
  extraRules?: ExtraRule[] | undefined;
}

export interface ExtraRule {
  /** Name of the rule, unique in the bucket. */
  id: string;
  /** Prefix of the keys that the rule acts on. An empty prefix means the whole bucket. */
  prefix: string;
  /** Days after which an object expires. @default - never */
  expireDays?: number | undefined;
  /** Days after which an object moves to `coldClass`. @default - never */
  coldAfterDays?: number | undefined;
  /** Storage class that an object moves to. @default "STANDARD_IA" */
  coldClass?: ColdClass | undefined;
}

/** A lifecycle rule in the form of S3's API, with the fields that pgstead uses. */
export interface LifecycleRule {
  id: string;
  status: string;
  filter: { prefix: string };
  expiration?: { days?: number; expiredObjectDeleteMarker?: boolean };
  transitions?: { days: number; storageClass: string }[];
  noncurrentVersionExpiration?: { noncurrentDays: number };
  abortIncompleteMultipartUpload?: { daysAfterInitiation: number };
}

/** The lifecycle rules of the bucket. None of pgstead's own rules expires objects under `keep/`. */
export function lifecycleRules(
  name: string,
  prefix: string,
  retention: Retention,
): LifecycleRule[] {
  const { retentionDays, noncurrentDays, coldAfterDays, coldClass, extraRules } =
    normalizeRetention(name, retention);
  const { dumps, volumes } = prefixesOf(prefix);
  const backupRule = (id: string, prefix: string) =>
    createRule(id, prefix, { expireDays: retentionDays, coldAfterDays, coldClass });
  return [
    backupRule("dumps", dumps),
    backupRule("volumes", volumes),
    {
      id: "old-versions",
      status: "Enabled",
      filter: { prefix },
      noncurrentVersionExpiration: { noncurrentDays },
      // Otherwise the delete markers of expired dumps stay and make every listing slower.
      expiration: { expiredObjectDeleteMarker: true },
    },
    {
      id: "broken-uploads",
      status: "Enabled",
      filter: { prefix },
      // An interrupted upload leaves parts that no listing shows, and S3 bills for them.
      abortIncompleteMultipartUpload: { daysAfterInitiation: 2 },
    },
    ...extraRules.map((extra) => createRule(extra.id, extra.prefix, extra)),
  ];
}

function createRule(
  id: string,
  prefix: string,
  { expireDays, coldAfterDays, coldClass = defaults.coldClass }: Omit<ExtraRule, "id" | "prefix">,
): LifecycleRule {
  return {
    id,
    status: "Enabled",
    filter: { prefix },
    ...(expireDays !== undefined && { expiration: { days: expireDays } }),
    ...(coldAfterDays !== undefined && {
      transitions: [{ days: coldAfterDays, storageClass: coldClass }],
    }),
  };
}

const OWN_RULES = ["dumps", "volumes", "old-versions", "broken-uploads"];

function normalizeRetention(name: string, retention: Retention) {
  const { retentionDays = defaults.retentionDays, coldAfterDays } = retention;
  const { noncurrentDays = defaults.noncurrentDays } = retention;
  const { coldClass = defaults.coldClass, extraRules = [] } = retention;
  for (const [key, days] of Object.entries({ retentionDays, noncurrentDays })) {
    if (!Number.isInteger(days) || days < 1) {
      throw new ConfigError(`"${key}" of "${name}" must be a whole number from 1, got ${days}`);
    }
  }
  assertWorthMoving(name, {
    id: "retentionDays",
    expireDays: retentionDays,
    coldAfterDays,
    coldClass,
  });
  for (const extra of extraRules) assertExtraRule(name, extra);
  const ids = [...OWN_RULES, ...extraRules.map(({ id }) => id)];
  const duplicate = ids.find((id, index) => ids.indexOf(id) !== index);
  if (duplicate)
    throw new ConfigError(
      `"extraRules" of "${name}" has the id "${duplicate}", which another rule has; choose another id`,
    );
  return { retentionDays, noncurrentDays, coldAfterDays, coldClass, extraRules };
}

function assertExtraRule(name: string, { prefix: _, ...extra }: ExtraRule) {
  if (extra.expireDays === undefined && extra.coldAfterDays === undefined) {
    throw new ConfigError(
      `the rule "${extra.id}" of "${name}" does nothing; give "expireDays" or "coldAfterDays"`,
    );
  }
  assertWorthMoving(name, extra);
}

/** S3 bills each class for a least number of days, so a shorter stay there costs more than it saves. */
function assertWorthMoving(
  name: string,
  { id, expireDays, coldAfterDays, coldClass = defaults.coldClass }: Omit<ExtraRule, "prefix">,
) {
  const { earliest, billed } = CLASSES[coldClass];
  const latest = (expireDays ?? Number.POSITIVE_INFINITY) - billed;
  if (coldAfterDays === undefined || (coldAfterDays >= earliest && coldAfterDays <= latest)) return;
  throw new ConfigError(
    `"coldAfterDays" of "${name}" must be at least ${earliest} and at least ${billed} days before "${id}" (${expireDays ?? "never"}) for ${coldClass}, got ${coldAfterDays}`,
  );
}
