export interface Copy {
  id: string;
  startedAt: string;
  /** Finished, complete and not empty. */
  good: boolean;
}

export interface Decision {
  id: string;
  keep: boolean;
  reason: string;
}

const DAY_MS = 24 * 3600_000;

/**
 * What stays of the local copies. A copy goes only if it is older than `keepDays` and there are
 * good ones from `keepDays` later days: after a month without backups, or a clock that jumped, the
 * last good week is still there. Days without a good backup do not count, so failures evict nothing.
 */
export function planRetention(copies: Copy[], keepDays: number, now: Date): Decision[] {
  const newestFirst = [...copies].sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  const goodDays = new Set<string>();
  const newestGood = newestFirst.find(({ good }) => good)?.id;
  return newestFirst.map(({ id, startedAt, good }) => {
    const laterDays = [...goodDays].filter((day) => day > startedAt.slice(0, 10)).length;
    if (good) goodDays.add(startedAt.slice(0, 10));
    const days = Math.floor((now.getTime() - Date.parse(startedAt)) / DAY_MS);
    if (id === newestGood) return { id, keep: true, reason: "the newest good one" };
    if (days < keepDays) return { id, keep: true, reason: `younger than ${keepDays} days` };
    if (laterDays < keepDays) {
      const reason = `only ${laterDays} later days have a good one, ${keepDays} are kept`;
      return { id, keep: true, reason };
    }
    return {
      id,
      keep: false,
      reason: `${days} days old, with ${laterDays} later days of good ones`,
    };
  });
}
