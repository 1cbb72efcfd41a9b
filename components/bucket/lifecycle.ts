import type { ColdClass } from "../../config/choices.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import { ConfigError } from "../error.ts";
import { prefixesOf } from "./policy.ts";

const defaults = DEFAULTS.bucket;

/** Days before S3 takes an object into a class, and days that it bills for at least. */
const CLASSES: Record<ColdClass, { earliest: number; billed: number }> = {
  STANDARD_IA: { earliest: 30, billed: 30 },
  GLACIER_IR: { earliest: 1, billed: 90 },
  GLACIER: { earliest: 1, billed: 90 },
  DEEP_ARCHIVE: { earliest: 1, billed: 180 },
};

export interface Retention {
  /** Days a dump is kept. @default 30 */
  retentionDays?: number | undefined;
  /** Days that a deleted or overwritten object can still be brought back. @default 30 */
  noncurrentDays?: number | undefined;
  /**
   * Days before a dump moves to colder storage. S3 takes no less than 30 for `STANDARD_IA`.
   * @default - dumps stay in standard storage until they expire.
   */
  coldAfterDays?: number | undefined;
  /**
   * Where to. What lies in `GLACIER` or `DEEP_ARCHIVE` takes hours to be fetched and counts for
   * nothing in the retention proof. @default "STANDARD_IA"
   */
  coldClass?: ColdClass | undefined;
  /** Rules for what else lies in the bucket. */
  extraRules?: ExtraRule[] | undefined;
}

export interface ExtraRule {
  id: string;
  /** The whole bucket, if empty. */
  prefix: string;
  expireDays?: number | undefined;
  coldAfterDays?: number | undefined;
  coldClass?: ColdClass | undefined;
}

/** A rule as S3 has it, as far as it is used here. */
export interface LifecycleRule {
  id: string;
  status: string;
  filter: { prefix: string };
  expiration?: { days?: number; expiredObjectDeleteMarker?: boolean };
  transitions?: { days: number; storageClass: string }[];
  noncurrentVersionExpiration?: { noncurrentDays: number };
  abortIncompleteMultipartUpload?: { daysAfterInitiation: number };
}

/** What the bucket forgets by itself. No rule of ours expires what lies under `keep/`. */
export function lifecycleRules(
  name: string,
  prefix: string,
  retention: Retention,
): LifecycleRule[] {
  const { retentionDays, noncurrentDays, coldAfterDays, coldClass, extraRules } =
    normalizeRetention(name, retention);
  const { dumps, volumes } = prefixesOf(prefix);
  const ageing = (id: string, prefix: string, expireDays = retentionDays) =>
    rule(id, prefix, { expireDays, coldAfterDays, coldClass });
  return [
    ageing("dumps", dumps),
    ageing("volumes", volumes),
    {
      id: "old-versions",
      status: "Enabled",
      filter: { prefix },
      noncurrentVersionExpiration: { noncurrentDays },
      // Without it the markers of expired dumps stay for ever and slow every listing down.
      expiration: { expiredObjectDeleteMarker: true },
    },
    {
      id: "broken-uploads",
      status: "Enabled",
      filter: { prefix },
      // An upload cut off half-way leaves parts that S3 bills for and no listing shows.
      abortIncompleteMultipartUpload: { daysAfterInitiation: 2 },
    },
    ...extraRules.map((extra) => rule(extra.id, extra.prefix, extra)),
  ];
}

function rule(
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
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice)
    throw new ConfigError(`"extraRules" of "${name}" has the id "${twice}", which is taken`);
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

/** A class bills for some days at least, so a shorter stay costs more than it saves. */
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
