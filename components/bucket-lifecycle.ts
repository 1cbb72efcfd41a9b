import { prefixesOf } from "./bucket-policy.ts";
import { ConfigError } from "./error.ts";

export interface Retention {
  /** Days a dump is kept. @default 30 */
  retentionDays?: number;
  /** Days that a deleted or overwritten object can still be brought back. @default 30 */
  noncurrentDays?: number;
  /**
   * Days before a dump moves to infrequent-access storage. S3 takes no less than 30.
   * @default - dumps stay in standard storage until they expire.
   */
  coldAfterDays?: number;
}

/** S3 bills infrequent access for at least so many days, so a shorter stay costs more than it saves. */
const COLD_MINIMUM_DAYS = 30;

/** What the bucket forgets by itself. No rule expires what lies under `keep/`. */
export function lifecycleRules(name: string, prefix: string, retention: Retention) {
  const { retentionDays, noncurrentDays, coldAfterDays } = normalizeRetention(name, retention);
  return [
    {
      id: "dumps",
      status: "Enabled",
      filter: { prefix: prefixesOf(prefix).dumps },
      expiration: { days: retentionDays },
      ...(coldAfterDays !== undefined && {
        transitions: [{ days: coldAfterDays, storageClass: "STANDARD_IA" }],
      }),
    },
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
  ];
}

function normalizeRetention(name: string, retention: Retention) {
  const { retentionDays = 30, noncurrentDays = 30, coldAfterDays } = retention;
  for (const [key, days] of Object.entries({ retentionDays, noncurrentDays })) {
    if (!Number.isInteger(days) || days < 1) {
      throw new ConfigError(`"${key}" of "${name}" must be a whole number from 1, got ${days}`);
    }
  }
  if (coldAfterDays === undefined) return { retentionDays, noncurrentDays, coldAfterDays };
  if (coldAfterDays < COLD_MINIMUM_DAYS || coldAfterDays + COLD_MINIMUM_DAYS > retentionDays) {
    throw new ConfigError(
      `"coldAfterDays" of "${name}" must be at least ${COLD_MINIMUM_DAYS} and at least ${COLD_MINIMUM_DAYS} days before "retentionDays" (${retentionDays}), got ${coldAfterDays}`,
    );
  }
  return { retentionDays, noncurrentDays, coldAfterDays };
}
