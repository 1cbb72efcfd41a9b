const HOUR_MS = 3600_000;

/**
 * Written under a clock that was ahead and has been put right since: such a time says nothing of how
 * fresh something is. An hour is let pass, for clocks of two machines differ.
 */
export const isAhead = (time: string, now = new Date()): boolean =>
  Date.parse(time) > now.getTime() + HOUR_MS;
