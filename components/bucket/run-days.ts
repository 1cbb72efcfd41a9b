import { Cron } from "croner";

const DAY_MS = 24 * 3600_000;
/** The Gregorian calendar repeats after 28 years, weekdays and leap days included, until 2100. */
const CALENDAR = { from: Date.UTC(2001, 0, 1), days: 28 * 365 + 7 };
const WEEK = { from: CALENDAR.from, days: 7 };

/** When backups are taken, as days of a calendar that begins anew after `cycle` days. */
export interface RunDays {
  cycle: number;
  /** In order; a day stands there once for each run, but no oftener than was asked for. */
  days: number[];
}

/** A schedule, in UTC, as the days on which it runs; `most` runs of one day are told apart. */
export function runDays(schedule: string, most: number): RunDays {
  const cron = new Cron(schedule, { timezone: "UTC", paused: true });
  const { from, days: cycle } = isWeekly(schedule) ? WEEK : CALENDAR;
  const days: number[] = [];
  let after = from - 1;
  for (;;) {
    const run = cron.nextRun(new Date(after))?.getTime();
    if (run === undefined || run >= from + cycle * DAY_MS) return { cycle, days };
    const day = Math.floor((run - from) / DAY_MS);
    days.push(day);
    // Of a day that has all it needs, the rest is passed over.
    const isFull = days.length >= most && days[days.length - most] === day;
    after = isFull ? from + (day + 1) * DAY_MS - 1 : run;
  }
}

/** For each run, the days until the one `count` later. */
export function spans({ cycle, days }: RunDays, count: number): number[] {
  const at = (index: number) =>
    days[index % days.length]! + Math.floor(index / days.length) * cycle;
  return days.map((day, index) => at(index + count) - day);
}

/** The most days that lie between a run and the one `count` later: what a backup may have to bridge. */
export const widestSpan = (runs: RunDays, count: number) =>
  spans(runs, count).reduce((widest, span) => Math.max(widest, span), 0);

/** Whether the weekday alone decides, so that one week tells all. */
function isWeekly(schedule: string): boolean {
  const fields = schedule.trim().split(/\s+/);
  const [, , day, month, weekday] = fields;
  return fields.length === 5 && day === "*" && month === "*" && !/[#L]/i.test(weekday!);
}
