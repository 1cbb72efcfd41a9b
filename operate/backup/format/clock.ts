const HOUR_MS = 3600_000;

/**
 * True for a time that a clock wrote while it was ahead, and that is still in the future: it does not
 * show how old something is. One hour is allowed, because the clocks of two machines differ.
 */
export const isAhead = (time: string, now = new Date()): boolean =>
  Date.parse(time) > now.getTime() + HOUR_MS;
