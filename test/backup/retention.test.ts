import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Copy, planRetention } from "../../operate/backup/retention.ts";

const DAY = 24 * 3600_000;
const START = Date.parse("2026-03-20T02:00:00Z");
const at = (day: number) => new Date(START + day * DAY);
const copy = (day: number, good = true): Copy => ({
  id: `app-${day}`,
  startedAt: at(day).toISOString(),
  good,
});
const kept = (copies: Copy[], keepDays: number, now: Date) =>
  planRetention(copies, keepDays, now)
    .filter(({ keep }) => keep)
    .map(({ id }) => id);

describe("local copies", () => {
  test("seven days of daily ones stay, across a change of the clocks", () => {
    const copies = Array.from({ length: 15 }, (_, day) => copy(day));
    expect(kept(copies, 7, at(14))).toEqual([14, 13, 12, 11, 10, 9, 8].map((day) => `app-${day}`));
  });

  test("each decision says why", () => {
    const copies = [0, 1, 2].map((day) => copy(day));
    expect(planRetention(copies, 1, at(2)).map(({ reason }) => reason)).toEqual([
      "the newest good one",
      "1 days old, with 1 later days of good ones",
      "2 days old, with 2 later days of good ones",
    ]);
  });

  test("a month of failures evicts nothing", () => {
    const good = [0, 1, 2, 3, 4, 5, 6].map((day) => copy(day));
    const failed = Array.from({ length: 30 }, (_, day) => copy(7 + day, false));
    const left = kept([...good, ...failed], 7, at(37));
    expect(left).toEqual(expect.arrayContaining(good.map(({ id }) => id)));
  });

  test("a clock that jumps years ahead, and back, evicts nothing that should stay", () => {
    const copies = [0, 1, 2, 3, 4, 5, 6].map((day) => copy(day));
    expect(kept(copies, 7, at(5000))).toHaveLength(7);
    expect(kept([...copies, copy(5000)], 7, at(7))).toHaveLength(7);
  });
});

/** Days on which a backup succeeds, fails or is not tried; the clock may be wrong when it is pruned. */
const histories = fc.array(
  fc.record({
    outcome: fc.constantFrom("good", "bad", "none"),
    clockOff: fc.oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      fc.integer({ min: -40, max: 400 }),
    ),
  }),
  { minLength: 1, maxLength: 60 },
);

test("S16: day by day, whatever fails, the last good days are there", () => {
  fc.assert(
    fc.property(histories, fc.integer({ min: 1, max: 10 }), (days, keepDays) => {
      let copies: Copy[] = [];
      const goodDays: number[] = [];
      days.forEach(({ outcome, clockOff }, day) => {
        if (outcome !== "none") copies.push(copy(day, outcome === "good"));
        if (outcome === "good") goodDays.push(day);
        const left = new Set(kept(copies, keepDays, at(day + clockOff)));
        copies = copies.filter(({ id }) => left.has(id));
        // Written without the code under test: the newest good days must all have survived.
        for (const good of goodDays.slice(-keepDays)) {
          if (!left.has(`app-${good}`)) throw new Error(`day ${day}: lost app-${good}`);
        }
      });
    }),
    { numRuns: 500 },
  );
});

test("with a right clock, nothing older than needed stays", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 10 }), (days, keep) => {
      const copies = Array.from({ length: days }, (_, day) => copy(day));
      expect(kept(copies, keep, at(days - 1))).toHaveLength(Math.min(days, keep));
    }),
  );
});
