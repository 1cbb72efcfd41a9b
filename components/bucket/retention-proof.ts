import { ConfigError } from "../error.ts";
import type { LifecycleRule } from "./lifecycle.ts";
import { prefixesOf } from "./policy.ts";
import { type RunDays, runDays, spans, widestSpan } from "./run-days.ts";

/** All that decides how long a backup can be restored from the bucket. */
export interface RetentionPlan {
  /** Cron expression, in UTC. */
  schedule: string;
  /** Days in which the agent makes up for uploads that are missing. */
  keepDays: number;
  /** Restorable backups that must lie in the bucket at every moment. */
  minBackups: number;
  /** Prefix of every key of the stack. */
  prefix: string;
  rules: LifecycleRule[];
  /** Days of Object Lock, if there is one. */
  lockDays?: number | undefined;
}

export interface Flaw {
  /** Days after a backup was taken on which the promise breaks. */
  day: number;
  what: string;
  configured: string;
  fix: string;
}

const YEAR = 365;
/** Fetching them takes hours, and a copy of them must be made first. */
const ARCHIVES = ["GLACIER", "DEEP_ARCHIVE"];

/**
 * S16: what is wrong with a plan, or nothing, each with the earliest day on which it shows. Assumed is that each run succeeds on the day it is due,
 * but for the year of silence. S3 acts at midnight UTC: what was taken on day 0 with 30 days to live
 * is there on day 30 and gone on day 31.
 */
export function proveRetention(plan: RetentionPlan): Flaw[] {
  const runs = runDays(plan.schedule, plan.minBackups);
  return [enough(plan, runs), locked(plan, runs), forgotten(plan), silent(plan)].filter(
    (flaw) => flaw !== undefined,
  );
}

export function assertRetention(stack: string, plan: RetentionPlan): void {
  const flaws = proveRetention(plan).sort((a, b) => a.day - b.day);
  if (flaws.length === 0) return;
  const lines = flaws.flatMap(({ day, what, configured, fix }) => [
    `  day ${day}: ${what}`,
    `    configured: ${configured}`,
    `    fix: ${fix}`,
  ]);
  throw new ConfigError(
    `the bucket of stack "${stack}" would not always hold the backups it must (day 0: a backup is taken):\n${lines.join("\n")}`,
  );
}

/** While backups succeed: of those taken so far, the newest `minBackups` are all still there. */
function enough({ schedule, minBackups, ...plan }: RetentionPlan, runs: RunDays) {
  const { dumps, keep } = prefixesOf(plan.prefix);
  const end = endOf(plan.rules, dumps, isUnreadable);
  if (runs.days.length === 0) {
    return {
      day: end.days + 1,
      what: "the last dump is gone, and the schedule never comes again",
      configured: `backups.schedule "${schedule}"`,
      fix: "set backups.schedule to one that comes back",
    };
  }
  // The newest lies under keep/ too, until the next one takes its place there.
  const newest = Math.max(end.days, endOf(plan.rules, keep, isUnreadable).days);
  const next = spans(runs, 1);
  const breaks = spans(runs, minBackups).flatMap((needed, run) => {
    if (needed <= end.days) return [];
    const replaced = next[run]!;
    if (replaced <= end.days) return [end.days + 1];
    if (replaced > newest) return [newest + 1];
    return minBackups > 1 ? [replaced + 1] : [];
  });
  if (breaks.length === 0) return undefined;
  const needed = widestSpan(runs, minBackups);
  return {
    day: breaks.reduce((a, b) => Math.min(a, b)),
    what: `the dump of day 0 ${end.how}, and fewer than ${minBackups} restorable ${minBackups === 1 ? "backup is" : "backups are"} left; it is needed until day ${needed}`,
    configured: `backups.schedule "${schedule}", bucket.minBackups ${minBackups}, ${end.key}`,
    fix: `${end.fix(needed)}, or a schedule that runs more often`,
  };
}

/** A lock that ends before the dump may go lets a stolen key of an administrator empty the bucket. */
function locked({ lockDays, minBackups, rules, prefix }: RetentionPlan, runs: RunDays) {
  if (lockDays === undefined) return undefined;
  const end = endOf(rules, prefixesOf(prefix).dumps, isGone);
  // Where nothing expires, it must cover those that have to be there.
  const window = Number.isFinite(end.days) ? end.days : widestSpan(runs, minBackups);
  if (lockDays >= window) return undefined;
  return {
    day: lockDays,
    what: `the lock of the dump of day 0 ends, and whoever may delete can delete it, though it is to stay until day ${window}`,
    configured: `bucket.objectLock.days ${lockDays}, ${end.key}`,
    fix: `set bucket.objectLock.days to ${window} or more, or keep dumps for fewer days`,
  };
}

/** What the bucket has expired must not come back from the agent's volume with the next upload. */
function forgotten({ schedule, keepDays, rules, prefix }: RetentionPlan) {
  const end = endOf(rules, prefixesOf(prefix).dumps, isGone);
  const { cycle, days } = runDays(schedule, 1);
  const runsOn = new Set(days);
  const comesBack = (day: number) => {
    for (let later = end.days + 1; later <= keepDays; later++) {
      if (runsOn.has((day + later) % cycle)) return true;
    }
    return false;
  };
  if (!days.some(comesBack)) return undefined;
  return {
    day: end.days + 1,
    what: `the bucket expires the dump of day 0, and the agent, which uploads again what is younger than ${keepDays} days, brings it back`,
    configured: `backups.schedule "${schedule}", backups.keepDays ${keepDays}, ${end.key}`,
    fix: `${end.fix(keepDays)}, or set backups.keepDays to ${end.days} or less`,
  };
}

/** No backup succeeds any more: a year later one must be there. */
function silent({ rules, prefix }: RetentionPlan) {
  const { dumps, keep } = prefixesOf(prefix);
  const ends = [endOf(rules, dumps, isUnreadable), endOf(rules, keep, isUnreadable)];
  const last = ends.reduce((a, b) => (b.days > a.days ? b : a));
  if (last.days >= YEAR) return undefined;
  return {
    day: last.days + 1,
    what: `no backup has succeeded since day 0, and the last one ${last.how}: nothing can be restored`,
    configured: ends.map(({ key }) => key).join(", "),
    // Under keep/, where the newest backup lies, no rule of ours expires anything.
    fix: ends[1]!.fix(YEAR),
  };
}

interface End {
  /** Days to live: on the day after, it is over. */
  days: number;
  how: string;
  /** Where it is configured. */
  key: string;
  /** What to set so that it lives for so many days. */
  fix(days: number): string;
}

type Ending = (rule: LifecycleRule) => { days: number; how: string }[];

const isGone: Ending = ({ expiration }) =>
  expiration?.days === undefined ? [] : [{ days: expiration.days, how: "has expired" }];

const isUnreadable: Ending = (rule) => [
  ...isGone(rule),
  ...(rule.transitions ?? [])
    .filter(({ storageClass }) => ARCHIVES.includes(storageClass))
    .map(({ days, storageClass }) => ({ days, how: `lies in ${storageClass}, hours away` })),
];

/** The first of all rules that touch a prefix, or a part of it, decides. */
function endOf(rules: LifecycleRule[], prefix: string, endings: Ending): End {
  const touching = rules.filter(
    ({ status, filter }) =>
      status === "Enabled" &&
      (prefix.startsWith(filter.prefix) || filter.prefix.startsWith(prefix)),
  );
  const all = touching.flatMap((rule) => endings(rule).map((ending) => ({ rule, ...ending })));
  const [first] = all.sort((a, b) => a.days - b.days);
  if (!first) {
    return {
      days: Infinity,
      how: "stays",
      key: `nothing expires under "${prefix}"`,
      fix: () => "",
    };
  }
  const { rule, days, how } = first;
  const isOurs = rule.id === "dumps";
  const key = how === "has expired" ? "retentionDays" : "coldAfterDays";
  return {
    ...{ days, how },
    key: isOurs
      ? `bucket.${key} ${days}`
      : `bucket.extraRules "${rule.id}" on "${rule.filter.prefix}" after ${days} days`,
    fix: (wanted) =>
      isOurs
        ? `set bucket.${key} to ${wanted} or more`
        : `keep bucket.extraRules "${rule.id}" away from "${prefix}", or give it ${wanted} days or more`,
  };
}
