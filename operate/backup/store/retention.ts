import { isAhead } from "../format/clock.ts";

export interface LocalCopy {
  id: string;
  startedAt: string;
  /** Complete, not empty, and no verification of it failed. */
  good: boolean;
  proven: boolean;
}

export interface RetentionSettings {
  keepDays: number;
  keepWeeks: number;
  keepMonths: number;
}

export interface RetentionDecision {
  id: string;
  keep: boolean;
  reason: string;
}

const DAY_MS = 24 * 3600_000;

/**
 * Decides which local copies to keep: recent days, then one copy a week, then one a month. Only later
 * good copies remove one: it must be older than `keepDays` and have good copies from `keepDays` later
 * days. So a month without backups, or a clock that jumps, removes nothing. Periods without a good copy
 * do not count, so failures remove nothing. A copy that is dated in the future stays, and never takes the
 * place of another one (S34).
 */
export function planRetention(
  copies: LocalCopy[],
  settings: RetentionSettings,
  now: Date,
): RetentionDecision[] {
  const { keepDays, keepWeeks, keepMonths } = settings;
  const newestFirst = [...copies].sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  const isCounted = ({ startedAt }: LocalCopy) => !isAhead(startedAt, now);
  const newestGood = newestFirst.find((copy) => copy.good && isCounted(copy))?.id;
  const newestProven = newestFirst.find((copy) => copy.proven && isCounted(copy))?.id;
  const days = new GoodPeriods(dayOf);
  const weeks = new GoodPeriods(weekOf);
  const months = new GoodPeriods(monthOf);
  return newestFirst.map((copy) => {
    const { id, startedAt } = copy;
    const laterDays = days.countLaterThan(copy);
    const isNewestOfWeek = weeks.isNewestOfLast(keepWeeks, copy);
    const isNewestOfMonth = months.isNewestOfLast(keepMonths, copy);
    // Added whatever the decision: the counts use all good copies.
    if (isCounted(copy)) for (const periods of [days, weeks, months]) periods.add(copy);
    const age = Math.floor((now.getTime() - Date.parse(startedAt)) / DAY_MS);
    const keep = (reason: string): RetentionDecision => ({ id, keep: true, reason });
    if (id === newestGood) return keep("the newest good one");
    if (id === newestProven) return keep("the newest proven one");
    if (age < keepDays) return keep(`younger than ${keepDays} days`);
    if (laterDays < keepDays) {
      return keep(`only ${laterDays} later days have a good one, ${keepDays} are kept`);
    }
    if (isNewestOfWeek) return keep("the newest good one of its week");
    if (isNewestOfMonth) return keep("the newest good one of its month");
    const reason = `${age} days old, and ${laterDays} later days have a good one`;
    return { id, keep: false, reason };
  });
}

/** The days, weeks or months that have a good copy. Copies are added newest first. */
class GoodPeriods {
  private readonly periods = new Set<string>();
  private readonly periodOf: (startedAt: string) => string;

  constructor(periodOf: (startedAt: string) => string) {
    this.periodOf = periodOf;
  }

  add({ good, startedAt }: LocalCopy): void {
    if (good) this.periods.add(this.periodOf(startedAt));
  }

  countLaterThan({ startedAt }: LocalCopy): number {
    const own = this.periodOf(startedAt);
    return [...this.periods].filter((period) => period > own).length;
  }

  /** True for the newest good copy of its period, if the period is one of the last `count`. */
  isNewestOfLast(count: number, copy: LocalCopy): boolean {
    const isNewest = copy.good && !this.periods.has(this.periodOf(copy.startedAt));
    return isNewest && this.countLaterThan(copy) < count;
  }
}

const dayOf = (startedAt: string) => startedAt.slice(0, 10);
const monthOf = (startedAt: string) => startedAt.slice(0, 7);
/** The Monday of the week, in UTC: a week at New Year is one week. */
const weekOf = (startedAt: string) => {
  const day = new Date(`${dayOf(startedAt)}T00:00:00Z`);
  return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * DAY_MS).toISOString().slice(0, 10);
};
