export interface Copy {
  id: string;
  startedAt: string;
  /** Finished, complete, not empty, and no restore of it has failed. */
  good: boolean;
  /** It has been restored and found right. */
  proven: boolean;
}

export interface Keep {
  keepDays: number;
  keepWeeks: number;
  keepMonths: number;
}

export interface Decision {
  id: string;
  keep: boolean;
  reason: string;
}

const DAY_MS = 24 * 3600_000;

/**
 * What stays of the local copies: sons by day, fathers by week, grandfathers by month. Only later good
 * ones evict: a copy goes if there are good ones from `keepDays` later days (weeks, months), whatever
 * the clock says. After a month without backups, or a clock that jumped, the last good week is still
 * there; periods without a good one do not count, so failures evict nothing.
 */
export function planRetention(copies: Copy[], keep: Keep, now: Date): Decision[] {
  const newestFirst = [...copies].sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  const newestGood = newestFirst.find(({ good }) => good)?.id;
  const newestProven = newestFirst.find(({ proven }) => proven)?.id;
  const days = new Tier(dayOf, keep.keepDays);
  const tiers = [
    { name: "week", tier: new Tier(weekOf, keep.keepWeeks) },
    { name: "month", tier: new Tier(monthOf, keep.keepMonths) },
  ];
  return newestFirst.map((copy) => {
    const { id } = copy;
    // Asked of each tier, kept or not: they count the good ones as they come by.
    const laterDays = days.later(copy);
    const [of] = tiers.filter(({ tier }) => tier.isHeld(copy));
    for (const { tier } of tiers) tier.count(copy);
    days.count(copy);
    const age = Math.floor((now.getTime() - Date.parse(copy.startedAt)) / DAY_MS);
    const stays = (reason: string): Decision => ({ id, keep: true, reason });
    if (id === newestGood) return stays("the newest good one");
    if (id === newestProven) return stays("the newest proven one");
    if (age < keep.keepDays) return stays(`younger than ${keep.keepDays} days`);
    if (laterDays < keep.keepDays) {
      return stays(`only ${laterDays} later days have a good one, ${keep.keepDays} are kept`);
    }
    if (of) return stays(`the newest good one of its ${of.name}`);
    const reason = `${age} days old, with ${laterDays} later days of good ones`;
    return { id, keep: false, reason };
  });
}

class Tier {
  private readonly seen = new Set<string>();
  private readonly periodOf: (startedAt: string) => string;
  private readonly held: number;

  constructor(periodOf: (startedAt: string) => string, held: number) {
    this.periodOf = periodOf;
    this.held = held;
  }

  later({ startedAt }: Copy): number {
    const own = this.periodOf(startedAt);
    return [...this.seen].filter((period) => period > own).length;
  }

  /** The newest good one of its period, which is one of those that are kept. */
  isHeld(copy: Copy): boolean {
    const isNewest = copy.good && !this.seen.has(this.periodOf(copy.startedAt));
    return isNewest && this.later(copy) < this.held;
  }

  count({ good, startedAt }: Copy): void {
    if (good) this.seen.add(this.periodOf(startedAt));
  }
}

const dayOf = (startedAt: string) => startedAt.slice(0, 10);
const monthOf = (startedAt: string) => startedAt.slice(0, 7);
/** The Monday it begins with, in UTC as all times here: weeks do not break at New Year. */
const weekOf = (startedAt: string) => {
  const day = new Date(`${dayOf(startedAt)}T00:00:00Z`);
  return new Date(day.getTime() - ((day.getUTCDay() + 6) % 7) * DAY_MS).toISOString().slice(0, 10);
};
