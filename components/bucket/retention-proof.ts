import { ConfigError } from "../error.ts";
import type { LifecycleRule } from "./lifecycle.ts";
import { prefixesOf } from "./policy.ts";
import { findWidestSpan, listRunDays, listSpans, type RunDays } from "./run-days.ts";

/** Everything that decides how long a backup can be restored from the bucket. */
export interface RetentionPlan {
  /** When backups are taken: a cron expression, in UTC. */
  schedule: string;
  /** The agent uploads every dump younger than this many days that the bucket lacks. */
  keepDays: number;
  /** The bucket must hold this many restorable backups at every moment. */
  minBackups: number;
  /** Prefix of every key of the stack. */
  prefix: string;
  /** The lifecycle rules of the bucket. */
  rules: LifecycleRule[];
  /** Days of Object Lock. @default - no lock */
  lockDays?: number | undefined;
}

/** A way in which a plan loses a backup too early. */
export interface Flaw {
  /** The day on which the plan breaks, counted from the backup of day 0. */
  day: number;
  what: string;
  configured: string;
  fix: string;
}

const YEAR = 365;
/** An object in one of these must be copied before it can be read, which takes hours. */
const ARCHIVES = ["GLACIER", "DEEP_ARCHIVE"];

/**
 * S16: finds each flaw of a plan, with the earliest day on which it shows. The proof assumes that each
 * run succeeds on its day, except where it looks at a year without backups. S3 acts at midnight UTC: an
 * object of day 0 that expires after 30 days is there on day 30 and gone on day 31.
 */
export function proveRetention(plan: RetentionPlan): Flaw[] {
  const runs = listRunDays(plan.schedule, plan.minBackups);
  return [
    findTooFewBackups(plan, runs),
    findTooShortLock(plan, runs),
    findRepeatedUpload(plan),
    findLossWithoutNewBackups(plan),
  ].filter((flaw) => flaw !== undefined);
}

/** Throws an error that lists every flaw, with its day and its fix. */
export function assertRetention(stack: string, plan: RetentionPlan): void {
  const flaws = proveRetention(plan).sort((a, b) => a.day - b.day);
  if (flaws.length === 0) return;
  const lines = flaws.flatMap(({ day, what, configured, fix }) => [
    `  day ${day}: ${what}`,
    `    configured: ${configured}`,
    `    fix: ${fix}`,
  ]);
  throw new ConfigError(
    `the bucket of stack "${stack}" would not always hold enough backups (day 0: a backup is taken):\n${lines.join("\n")}`,
  );
}

/** While backups succeed, the newest `minBackups` of them must all be readable. */
function findTooFewBackups({ schedule, minBackups, ...plan }: RetentionPlan, runs: RunDays) {
  const { dumps, keep } = prefixesOf(plan.prefix);
  const end = findEnd(plan.rules, dumps, listUnreadable);
  if (runs.days.length === 0) {
    return {
      day: end.days + 1,
      what: "the last dump is gone, and the schedule has no further run",
      configured: `backups.schedule "${schedule}"`,
      fix: "set backups.schedule to a schedule that repeats",
    };
  }
  // The newest backup also has a copy under keep/, until the next backup replaces that copy.
  const newest = Math.max(end.days, findEnd(plan.rules, keep, listUnreadable).days);
  const next = listSpans(runs, 1);
  const breaks = listSpans(runs, minBackups).flatMap((needed, run) => {
    if (needed <= end.days) return [];
    const replaced = next[run]!;
    if (replaced <= end.days) return [end.days + 1];
    if (replaced > newest) return [newest + 1];
    return minBackups > 1 ? [replaced + 1] : [];
  });
  if (breaks.length === 0) return undefined;
  const needed = findWidestSpan(runs, minBackups);
  return {
    day: breaks.reduce((a, b) => Math.min(a, b)),
    what: `the dump of day 0 ${describeEnd(end)}, and fewer than ${minBackups} restorable ${minBackups === 1 ? "backup is" : "backups are"} left; it is needed until day ${needed}`,
    configured: `backups.schedule "${schedule}", bucket.minBackups ${minBackups}, ${describeRule(end)}`,
    fix: `${describeFix(end, needed)}, or choose a schedule that runs more often`,
  };
}

/** A lock that ends before the dump expires lets somebody with an administrator's key empty the bucket. */
function findTooShortLock({ lockDays, minBackups, rules, prefix }: RetentionPlan, runs: RunDays) {
  if (lockDays === undefined) return undefined;
  const end = findEnd(rules, prefixesOf(prefix).dumps, listExpirations);
  // Where nothing expires, the lock must cover the backups that the bucket must hold.
  const window = Number.isFinite(end.days) ? end.days : findWidestSpan(runs, minBackups);
  if (lockDays >= window) return undefined;
  return {
    day: lockDays,
    what: `the lock of the dump of day 0 ends, so it can be deleted, but it must stay until day ${window}`,
    configured: `bucket.objectLock.days ${lockDays}, ${describeRule(end)}`,
    fix: `set bucket.objectLock.days to ${window} or more, or keep dumps for fewer days`,
  };
}

/** A dump that the bucket has expired must not be uploaded again from the agent's volume. */
function findRepeatedUpload({ schedule, keepDays, rules, prefix }: RetentionPlan) {
  const end = findEnd(rules, prefixesOf(prefix).dumps, listExpirations);
  const { cycle, days } = listRunDays(schedule, 1);
  const runsOn = new Set(days);
  const isUploadedAgain = (day: number) => {
    for (let later = end.days + 1; later <= keepDays; later++) {
      if (runsOn.has((day + later) % cycle)) return true;
    }
    return false;
  };
  if (!days.some(isUploadedAgain)) return undefined;
  return {
    day: end.days + 1,
    what: `the bucket expires the dump of day 0, and then the agent uploads it again: it uploads every dump younger than ${keepDays} days that the bucket lacks`,
    configured: `backups.schedule "${schedule}", backups.keepDays ${keepDays}, ${describeRule(end)}`,
    fix: `${describeFix(end, keepDays)}, or set backups.keepDays to ${end.days} or less`,
  };
}

/** After a year without a new backup, one must still be readable. */
function findLossWithoutNewBackups({ rules, prefix }: RetentionPlan) {
  const { dumps, keep } = prefixesOf(prefix);
  const ends = [findEnd(rules, dumps, listUnreadable), findEnd(rules, keep, listUnreadable)];
  const last = ends.reduce((a, b) => (b.days > a.days ? b : a));
  if (last.days >= YEAR) return undefined;
  return {
    day: last.days + 1,
    what: `no backup has succeeded since day 0, and the last one ${describeEnd(last)}: nothing can be restored`,
    configured: ends.map(describeRule).join(", "),
    // Under keep/, where the newest backup is, no rule of ours expires anything.
    fix: describeFix(ends[1]!, YEAR),
  };
}

/** Why an object cannot be read any more, and after how many days. */
interface Loss {
  days: number;
  kind: "expired" | "archived";
  /** The class that the object was moved to, where it was archived. */
  storageClass?: string;
}

/** The first loss of the objects under a prefix; without one they stay readable (`days` is infinite). */
interface End {
  /** The last day on which the object is readable. */
  days: number;
  prefix: string;
  first?: Loss & { rule: LifecycleRule };
}

type ListLosses = (rule: LifecycleRule) => Loss[];

const listExpirations: ListLosses = ({ expiration }) =>
  expiration?.days === undefined ? [] : [{ days: expiration.days, kind: "expired" }];

const listUnreadable: ListLosses = (rule) => [
  ...listExpirations(rule),
  ...(rule.transitions ?? [])
    .filter(({ storageClass }) => ARCHIVES.includes(storageClass))
    .map(({ days, storageClass }) => ({ days, kind: "archived" as const, storageClass })),
];

/** Of all rules that touch a prefix, or a part of it, the one that acts first decides. */
function findEnd(rules: LifecycleRule[], prefix: string, listLosses: ListLosses): End {
  const touching = rules.filter(
    ({ status, filter }) =>
      status === "Enabled" &&
      (prefix.startsWith(filter.prefix) || filter.prefix.startsWith(prefix)),
  );
  const losses = touching.flatMap((rule) => listLosses(rule).map((loss) => ({ rule, ...loss })));
  const [first] = losses.sort((a, b) => a.days - b.days);
  return first ? { days: first.days, prefix, first } : { days: Infinity, prefix };
}

function describeEnd({ first }: End): string {
  if (!first) return "stays";
  if (first.kind === "expired") return "has expired";
  return `is in ${first.storageClass}, which takes hours to read`;
}

const OWN_KEYS = { expired: "retentionDays", archived: "coldAfterDays" } as const;

/** The key of the configuration that causes the end. */
function describeRule({ first, prefix }: End): string {
  if (!first) return `nothing expires under "${prefix}"`;
  const { rule, days, kind } = first;
  if (rule.id === "dumps") return `bucket.${OWN_KEYS[kind]} ${days}`;
  return `bucket.extraRules "${rule.id}" on "${rule.filter.prefix}" after ${days} days`;
}

/** What to set so that the object stays readable for `days` days. */
function describeFix({ first, prefix }: End, days: number): string {
  if (!first) return "";
  const { rule, kind } = first;
  if (rule.id === "dumps") return `set bucket.${OWN_KEYS[kind]} to ${days} or more`;
  return `keep bucket.extraRules "${rule.id}" away from "${prefix}", or give it ${days} days or more`;
}
