import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lifecycleRules, type Retention } from "../../components/bucket/lifecycle.ts";
import {
  assertRetention,
  proveRetention,
  type RetentionPlan,
} from "../../components/bucket/retention-proof.ts";
import { COLD_CLASSES } from "../../config/choices.ts";
import { type Breaks, simulate } from "../support/retention-simulation.ts";

interface Configured extends Retention {
  schedule?: string;
  keepDays?: number;
  minBackups?: number;
  lockDays?: number | undefined;
}

function planOf({ schedule, keepDays, minBackups, lockDays, ...retention }: Configured) {
  return {
    schedule: schedule ?? "0 2 * * *",
    keepDays: keepDays ?? 7,
    minBackups: minBackups ?? 3,
    prefix: "",
    rules: lifecycleRules("backups", "", retention),
    lockDays,
  } satisfies RetentionPlan;
}

/** A week tells all of a schedule that goes by weekdays, 28 years all of any other. */
const calendarOf = (schedule: string) => (/^\S+ \S+ \* \* \S+$/.test(schedule) ? 7 : 28 * 365 + 7);

const earliest = (breaks: Breaks) => Math.min(...Object.values(breaks));

const rule = (prefix: string, expireDays: number) => ({ id: "extra", prefix, expireDays });
const cold = (prefix: string, coldAfterDays: number) => ({
  ...{ id: "extra", prefix, coldAfterDays, coldClass: "GLACIER" as const },
});

const MONTHLY = "0 2 1 * *";
const WEEKLY = "0 2 * * 0";

describe("S16: a plan that leaves too little is refused with the day on which it breaks", () => {
  test.each<[string, Configured, number, RegExp]>([
    ["daily, kept for two days", { retentionDays: 2, keepDays: 1 }, 3, /retentionDays to 3/],
    ["weekly, kept for ten", { schedule: WEEKLY, retentionDays: 10, keepDays: 1 }, 11, /to 21/],
    ["monthly, kept for a month", { schedule: MONTHLY, keepDays: 1 }, 31, /to 92 or more/],
    [
      "three months with a February in it",
      { schedule: MONTHLY, keepDays: 1, retentionDays: 91 },
      92,
      /to 92/,
    ],
    [
      "every other month",
      { schedule: "0 2 1 */2 *", keepDays: 1, retentionDays: 90 },
      91,
      /to 184/,
    ],
    [
      "leap days alone",
      { schedule: "0 2 29 2 *", keepDays: 1, retentionDays: 1000 },
      1462,
      /to 4383/,
    ],
    ["on the 31st", { schedule: "0 2 31 * *", keepDays: 1, retentionDays: 120 }, 121, /to 182/],
    [
      "on weekdays, over a weekend",
      { schedule: "0 2 * * 1-5", keepDays: 1, retentionDays: 4 },
      5,
      /to 5/,
    ],
    ["in January only", { schedule: "0 2 * 1 *", keepDays: 1, retentionDays: 300 }, 301, /to 338/],
    ["more wanted than lie there", { minBackups: 31 }, 31, /retentionDays to 31/],
    [
      "one, weekly, expiring under keep/ too",
      {
        schedule: WEEKLY,
        minBackups: 1,
        retentionDays: 5,
        keepDays: 1,
        extraRules: [rule("keep/", 6)],
      },
      7,
      /retentionDays to 7/,
    ],
    [
      "the host keeps longer",
      { retentionDays: 20, keepDays: 21 },
      21,
      /backups.keepDays to 20 or less/,
    ],
    [
      "the host keeps weekly ones longer",
      { schedule: WEEKLY, keepDays: 35 },
      31,
      /retentionDays to 35/,
    ],
    ["a rule for everything", { extraRules: [rule("", 60)] }, 61, /"extra" away from "keep\/"/],
    [
      "a rule for all of keep/",
      { retentionDays: 20, extraRules: [rule("keep/", 90)] },
      91,
      /away from "keep\/"/,
    ],
    [
      "a rule that meets keep/ by its first letter",
      { extraRules: [rule("k", 364)] },
      365,
      /nothing can be restored/,
    ],
    [
      "dumps into the archive too early",
      { coldAfterDays: 2, coldClass: "GLACIER", retentionDays: 100 },
      3,
      /coldAfterDays to 3/,
    ],
    [
      "what is kept into the archive",
      { extraRules: [cold("keep/", 100)] },
      101,
      /is in GLACIER, which takes hours to read/,
    ],
    ["a lock shorter than the window", { lockDays: 14 }, 14, /objectLock.days to 30/],
    ["a lock a day short", { retentionDays: 90, lockDays: 89 }, 89, /objectLock.days to 90/],
    [
      "a rule for some of the dumps",
      { extraRules: [rule("dumps/app-", 1)] },
      2,
      /"extra" away from "dumps\/"/,
    ],
  ])("%s", (_, configured, day, message) => {
    const plan = planOf(configured);
    const flaws = proveRetention(plan);
    expect(Math.min(...flaws.map((flaw) => flaw.day))).toBe(day);
    expect(earliest(simulate(plan, calendarOf(plan.schedule)))).toBe(day);
    expect(() => assertRetention("prod", plan)).toThrow(message);
  });
});

describe("S16: a sound plan passes", () => {
  test.each<[string, Configured]>([
    ["nothing said", {}],
    ["daily, as many days as backups", { retentionDays: 3, keepDays: 3 }],
    ["daily, one", { retentionDays: 1, minBackups: 1, keepDays: 1 }],
    ["one wanted, weekly", { schedule: WEEKLY, minBackups: 1, retentionDays: 7, keepDays: 1 }],
    ["weekly", { schedule: WEEKLY, keepDays: 4 }],
    ["weekly, exactly", { schedule: WEEKLY, keepDays: 3, retentionDays: 21 }],
    ["weekly, a month on the host", { schedule: WEEKLY, keepDays: 30 }],
    ["monthly", { schedule: MONTHLY, keepDays: 3, retentionDays: 92 }],
    ["leap days", { schedule: "0 2 29 2 *", keepDays: 1, retentionDays: 4383 }],
    ["on the 31st", { schedule: "0 2 31 * *", keepDays: 1, retentionDays: 182 }],
    ["weekdays", { schedule: "0 2 * * 1-5", keepDays: 3, retentionDays: 5 }],
    ["hourly, a day", { schedule: "0 * * * *", minBackups: 24, keepDays: 1, retentionDays: 1 }],
    ["four times a day", { schedule: "0 */6 * * *", minBackups: 8, keepDays: 2, retentionDays: 2 }],
    ["the 1st and Sundays", { schedule: "0 2 1 * 0", keepDays: 3, retentionDays: 21 }],
    ["infrequent access", { retentionDays: 90, coldAfterDays: 30 }],
    ["instant archive", { retentionDays: 120, coldAfterDays: 5, coldClass: "GLACIER_IR" }],
    [
      "the archive after the last that must be there",
      { retentionDays: 100, coldAfterDays: 3, coldClass: "GLACIER" },
    ],
    ["a lock as long as the window", { lockDays: 30 }],
    ["a lock for years", { lockDays: 3650 }],
    [
      "rules for others",
      { extraRules: [rule("logs/", 3), { ...rule("pictures/", 9), id: "more" }] },
    ],
    ["keep/ for a year", { extraRules: [rule("keep/", 365)] }],
  ])("%s", (_, configured) => {
    const plan = planOf(configured);
    expect(proveRetention(plan)).toEqual([]);
    expect(simulate(plan, calendarOf(plan.schedule))).toEqual({});
  });
});

const some = (low: number, high: number, most: number) =>
  fc
    .uniqueArray(fc.integer({ min: low, max: high }), { minLength: 1, maxLength: most })
    .map((days) => days.join(","));
const schedules = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(some(0, 23, 3), some(0, 6, 4))
      .map(([hours, days]) => `0 ${hours} * * ${days}`),
  },
  { weight: 4, arbitrary: fc.constantFrom("0 2 * * *", "15,45 2 * * *", "0 2 * * 1-5") },
  some(1, 31, 2).map((days) => `0 2 ${days} * *`),
  fc.tuple(some(1, 31, 1), some(0, 6, 1)).map(([day, weekday]) => `0 2 ${day} * ${weekday}`),
  fc.tuple(some(1, 28, 2), some(1, 12, 4)).map(([days, months]) => `0 2 ${days} ${months} *`),
);
const rules = fc.record({
  prefix: fc.constantFrom("", "dumps/", "dumps/app-", "keep/", "k", "volumes/", "logs/"),
  expireDays: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
  coldAfterDays: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
  coldClass: fc.constantFrom(...COLD_CLASSES),
});
const plans = fc.record({
  schedule: schedules,
  keepDays: fc.integer({ min: 1, max: 12 }),
  minBackups: fc.integer({ min: 1, max: 5 }),
  lockDays: fc.option(fc.integer({ min: 1, max: 130 }), { nil: undefined }),
  retentionDays: fc.integer({ min: 1, max: 120 }),
  extra: fc.option(rules, { nil: undefined }),
});

test("S16: the proof and a life lived day by day agree, on the day too", () => {
  let broken = 0;
  let sound = 0;
  fc.assert(
    fc.property(plans, ({ extra, retentionDays, ...given }) => {
      const made = lifecycleRules("backups", "", { retentionDays });
      const { prefix = "", expireDays, coldAfterDays, coldClass } = extra ?? {};
      const plan: RetentionPlan = {
        ...given,
        prefix: "",
        rules: [
          ...made,
          {
            ...{ id: "extra", status: "Enabled", filter: { prefix } },
            ...(expireDays && { expiration: { days: expireDays } }),
            ...(coldAfterDays && {
              transitions: [{ days: coldAfterDays, storageClass: coldClass ?? "GLACIER" }],
            }),
          },
        ],
      };
      const flaws = proveRetention(plan).map(({ day }) => day);
      const lived = simulate(plan, calendarOf(plan.schedule));
      flaws.length > 0 ? broken++ : sound++;
      const days = Object.values(lived);
      // What comes back a second time lives on, against the plan; the first break is the same.
      const told = (found: number[]) =>
        lived.uploadedAgain === undefined ? [...found].sort() : Math.min(...found);
      expect(told(flaws)).toEqual(told(days));
    }),
    {
      seed: Number(process.env.PGSTEAD_FAULT_SEED ?? 16),
      numRuns: Number(process.env.PROOF_RUNS ?? 40),
    },
  );
  // Both answers were put to the test.
  expect([broken > 4, sound > 4], `${broken} broken, ${sound} sound`).toEqual([true, true]);
});

test("the message is a calendar: the day, what was configured, the fix", () => {
  const plan = planOf({ schedule: WEEKLY, keepDays: 1, retentionDays: 10, lockDays: 7 });
  expect(() => assertRetention("prod", plan)).toThrow(
    [
      `the bucket of stack "prod" would not always hold enough backups (day 0: a backup is taken):`,
      `  day 7: the lock of the dump of day 0 ends, so it can be deleted, but it must stay until day 10`,
      `    configured: bucket.objectLock.days 7, bucket.retentionDays 10`,
      `    fix: set bucket.objectLock.days to 10 or more, or keep dumps for fewer days`,
      `  day 11: the dump of day 0 has expired, and fewer than 3 restorable backups are left; it is needed until day 21`,
      `    configured: backups.schedule "0 2 * * 0", bucket.minBackups 3, bucket.retentionDays 10`,
      `    fix: set bucket.retentionDays to 21 or more, or choose a schedule that runs more often`,
    ].join("\n"),
  );
});
