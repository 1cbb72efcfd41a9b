const UNITS: Record<string, number> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, ns: 1 };

/** Converts "1m30s" to nanoseconds, the engine's unit. */
export function toDuration(value: string): number {
  let total = 0;
  for (const [, count, unit] of value.matchAll(/([\d.]+)(h|ms|us|ns|m|s)/g)) {
    total += Number(count) * UNITS[unit!]!;
  }
  return total;
}

/**
 * Formats nanoseconds like Go: "1m0s", never "60s". So a program with "60s" shows a change after each
 * refresh. The official plugin does the same.
 */
export function fromDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return "0s";
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const hours = Math.floor(nanoseconds / 3600e9);
  const minutes = Math.floor((nanoseconds % 3600e9) / 60e9);
  const seconds = (nanoseconds % 60e9) / 1e9;
  if (hours > 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${minutes}m${seconds}s` : `${seconds}s`;
}
