import { Cron } from "croner";
import { isAhead } from "../backup/format/clock.ts";
import { mistake } from "../error.ts";
import type { Run, State } from "./state.ts";

const HOUR_MS = 3600_000;

/** UTC, so that no hour is skipped or comes twice when the clocks of a country change. */
export function parseSchedule(schedule: string): Cron {
  try {
    const cron = new Cron(schedule, { timezone: "UTC", paused: true });
    if (cron.nextRun()) return cron;
  } catch (error) {
    throw mistake(
      `"${schedule}" is no cron expression (minute hour day month weekday): ${(error as Error).message}`,
      error,
    );
  }
  throw mistake(`the schedule "${schedule}" never comes`);
}

/**
 * The due time that still waits for its dump: tonight's when its hour has come, or the newest one
 * that was missed. Of several that were missed only that one; a dump of now stands for all.
 */
export function findDueTime(
  cron: Cron,
  { handled }: Pick<State, "handled">,
  newestBackup: string | undefined,
  now: Date,
): string | undefined {
  const latest = cron.previousRuns(1, new Date(now.getTime() + 1))[0];
  const since = believable(handled, now) ?? believable(newestBackup, now);
  // Nothing at all yet: the first one does not wait for the night.
  if (!since) return (latest ?? now).toISOString();
  return latest && latest.getTime() > Date.parse(since) ? latest.toISOString() : undefined;
}

/** A clock that was ahead and has been put right must not silence the schedule until it is there again. */
const believable = (time: string | null | undefined, now: Date) =>
  time && !isAhead(time, now) ? time : undefined;

const FIRST_RETRY_MS = 5 * 60_000;

/** After a failure: 5 minutes, 10, 20, then hourly. */
export function isAttemptAllowed(
  { last, failures }: { failures: number; last: Pick<Run, "finishedAt"> | null },
  now: Date,
) {
  if (!last || failures === 0) return true;
  const wait = Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), HOUR_MS);
  const since = now.getTime() - Date.parse(last.finishedAt);
  return since >= wait || since < 0;
}
