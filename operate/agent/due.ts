import { Cron } from "croner";
import { isAhead } from "../backup/format/clock.ts";
import { mistake } from "../error.ts";
import type { Run, State } from "./state.ts";

const HOUR_MS = 3600_000;

/** In UTC: daylight saving time skips no run and repeats none. */
export function parseSchedule(schedule: string): Cron {
  try {
    const cron = new Cron(schedule, { timezone: "UTC", paused: true });
    if (cron.nextRun()) return cron;
  } catch (error) {
    throw mistake(
      `"${schedule}" is not a cron expression (minute hour day month weekday): ${(error as Error).message}`,
      error,
    );
  }
  throw mistake(`the schedule "${schedule}" matches no date`);
}

/**
 * The newest due time that has no dump yet. After several missed runs the scheduler takes one
 * dump, so only the newest missed run is returned.
 */
export function findDueTime(
  cron: Cron,
  { handled }: Pick<State, "handled">,
  newestBackup: string | undefined,
  now: Date,
): string | undefined {
  const latest = cron.previousRuns(1, new Date(now.getTime() + 1))[0];
  const since = dropFutureTime(handled, now) ?? dropFutureTime(newestBackup, now);
  // There is no backup yet: the first one does not wait for the next scheduled time.
  if (!since) return (latest ?? now).toISOString();
  return latest && latest.getTime() > Date.parse(since) ? latest.toISOString() : undefined;
}

/** A clock that was years ahead must not stop the schedule until that date. */
const dropFutureTime = (time: string | null | undefined, now: Date) =>
  time && !isAhead(time, now) ? time : undefined;

const FIRST_RETRY_MS = 5 * 60_000;

/** After a failure the scheduler waits 5, 10, 20, 40 minutes, then an hour each time. */
export function isAttemptAllowed(
  { last, failures }: { failures: number; last: Pick<Run, "finishedAt"> | null },
  now: Date,
): boolean {
  if (!last || failures === 0) return true;
  const wait = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), HOUR_MS);
  const since = now.getTime() - Date.parse(last.finishedAt);
  return since >= wait || since < 0;
}
