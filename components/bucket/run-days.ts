import { Cron } from "croner";

const DAY_MS = 24 * 3600_000;
/** The Gregorian calendar repeats every 28 years, weekdays and leap days included, until 2100. */
const CALENDAR = { from: Date.UTC(2001, 0, 1), days: 28 * 365 + 7 };
const WEEK = { from: CALENDAR.from, days: 7 };

/** The days on which backups are taken, in a calendar that repeats after `cycle` days. */
export interface RunDays {
  cycle: number;
  /** In order. A day appears once for each of its runs, up to the limit that the caller gave. */
  days: number[];
}

/** Lists the days on which a schedule (in UTC) runs; of one day, at most `maxPerDay` runs. */
export function listRunDays(schedule: string, maxPerDay: number): RunDays {
  const cron = new Cron(schedule, { timezone: "UTC", paused: true });
  const { from, days: cycle } = isWeekly(schedule) ? WEEK : CALENDAR;
  const days: number[] = [];
  let after = from - 1;
  for (;;) {
    const run = cron.nextRun(new Date(after))?.getTime();
    if (run === undefined || run >= from + cycle * DAY_MS) return { cycle, days };
    const day = Math.floor((run - from) / DAY_MS);
    days.push(day);
    const isFull = days.length >= maxPerDay && days[days.length - maxPerDay] === day;
    after = isFull ? from + (day + 1) * DAY_MS - 1 : run;
  }
}

/** For each run, the number of days until the run that is `count` runs later. */
export function listSpans({ cycle, days }: RunDays, count: number): number[] {
  const at = (index: number) =>
    days[index % days.length]! + Math.floor(index / days.length) * cycle;
  return days.map((day, index) => at(index + count) - day);
}

/** The longest of these spans: so many days a backup must stay, in the worst case. */
export const findWidestSpan = (runs: RunDays, count: number) =>
  listSpans(runs, count).reduce((widest, span) => Math.max(widest, span), 0);

/** True where only the weekday decides: then one week shows the whole schedule. */
function isWeekly(schedule: string): boolean {
  const fields = schedule.trim().split(/\s+/);
  const [, , day, month, weekday] = fields;
  return fields.length === 5 && day === "*" && month === "*" && !/[#L]/i.test(weekday!);
}
