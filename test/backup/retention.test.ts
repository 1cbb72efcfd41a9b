import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type LocalCopy,
  planRetention,
  type RetentionSettings,
} from "../../operate/backup/store/retention.ts";

const DAY = 24 * 3600_000;
const START = Date.parse("2026-03-20T02:00:00Z");
const at = (day: number) => new Date(START + day * DAY);
const copy = (day: number, good = true, proven = false): LocalCopy => ({
  id: `app-${day}`,
  startedAt: at(day).toISOString(),
  good,
  proven: good && proven,
});
const plan = (copies: LocalCopy[], keep: number | Partial<RetentionSettings>, now: Date) =>
  planRetention(
    copies,
    {
      ...{ keepDays: 1, keepWeeks: 0, keepMonths: 0 },
      ...(typeof keep === "number" ? { keepDays: keep } : keep),
    },
    now,
  );
const kept = (copies: LocalCopy[], keep: number | Partial<RetentionSettings>, now: Date) =>
  plan(copies, keep, now)
    .filter(({ keep }) => keep)
    .map(({ id }) => id);

describe("local copies", () => {
  test("seven days of daily ones stay, across a change of the clocks", () => {
    const copies = Array.from({ length: 15 }, (_, day) => copy(day));
    expect(kept(copies, 7, at(14))).toEqual([14, 13, 12, 11, 10, 9, 8].map((day) => `app-${day}`));
  });

  test("each decision says why", () => {
    const copies = [0, 1, 2].map((day) => copy(day));
    expect(plan(copies, 1, at(2)).map(({ reason }) => reason)).toEqual([
      "the newest good one",
      "1 days old, and 1 later days have a good one",
      "2 days old, and 2 later days have a good one",
    ]);
  });

  test("grandfather, father, son: one a week and one a month beyond the days", () => {
    const copies = Array.from({ length: 100 }, (_, day) => copy(day));
    const left = kept(copies, { keepDays: 3, keepWeeks: 3, keepMonths: 3 }, at(99));
    // 99 is Saturday, 27 June: the days; Sundays 21 and 14 June; the last of May and April.
    expect(left).toEqual([99, 98, 97, 93, 86, 72, 41].map((day) => `app-${day}`));
  });

  test("the last proven one stays though a hundred unproven ones follow", () => {
    const copies = [copy(0, true, true), ...Array.from({ length: 100 }, (_, day) => copy(day + 1))];
    expect(kept(copies, 2, at(100))).toEqual(["app-100", "app-99", "app-0"]);
    const [last] = plan(copies, 2, at(100)).slice(-1);
    expect(last).toEqual({ id: "app-0", keep: true, reason: "the newest proven one" });
  });

  test("a month of failures evicts nothing", () => {
    const good = [0, 1, 2, 3, 4, 5, 6].map((day) => copy(day));
    const failed = Array.from({ length: 30 }, (_, day) => copy(7 + day, false));
    const left = kept([...good, ...failed], 7, at(37));
    expect(left).toEqual(expect.arrayContaining(good.map(({ id }) => id)));
  });

  test("S34: a clock that jumps years ahead, and back, evicts nothing that should stay", () => {
    const copies = [0, 1, 2, 3, 4, 5, 6].map((day) => copy(day));
    expect(kept(copies, 7, at(5000))).toHaveLength(7);
    expect(kept([...copies, copy(5000)], 7, at(7))).toHaveLength(8);
  });

  test("S34: a proven copy of the future does not take the place of the newest proven one", () => {
    const copies = [copy(0, true, true), copy(20), copy(21), copy(5000, true, true)];
    expect(kept(copies, 1, at(22))).toEqual(["app-5000", "app-21", "app-0"]);
  });
});

/** Days on which a backup succeeds, fails or is not tried; the clock may be wrong when it is pruned. */
const histories = fc.array(
  fc.record({
    outcome: fc.constantFrom("good", "proven", "bad", "none"),
    clockOff: fc.oneof(
      { weight: 5, arbitrary: fc.constant(0) },
      fc.integer({ min: -40, max: 400 }),
    ),
  }),
  { minLength: 1, maxLength: 60 },
);

const tiers = fc.record({
  keepDays: fc.integer({ min: 1, max: 10 }),
  keepWeeks: fc.integer({ min: 0, max: 6 }),
  keepMonths: fc.integer({ min: 0, max: 4 }),
});

test("S16: day by day, whatever fails, the last good days are there", () => {
  fc.assert(
    fc.property(histories, tiers, (days, keep) => {
      let copies: LocalCopy[] = [];
      const goodDays: number[] = [];
      let provenDay = -1;
      days.forEach(({ outcome, clockOff }, day) => {
        const good = outcome === "good" || outcome === "proven";
        if (outcome !== "none") copies.push(copy(day, good, outcome === "proven"));
        if (good) goodDays.push(day);
        if (outcome === "proven") provenDay = day;
        const left = new Set(kept(copies, keep, at(day + clockOff)));
        copies = copies.filter(({ id }) => left.has(id));
        // Written without the code under test: the newest good days must all have survived.
        for (const good of goodDays.slice(-keep.keepDays)) {
          if (!left.has(`app-${good}`)) throw new Error(`day ${day}: lost app-${good}`);
        }
        if (provenDay >= 0 && !left.has(`app-${provenDay}`)) throw new Error("lost the proven one");
        // Of the last months with a good one, the newest of each.
        const newestOf = new Map(
          goodDays.map((good) => [at(good).toISOString().slice(0, 7), good]),
        );
        for (const good of [...newestOf.values()].slice(
          newestOf.size - Math.min(keep.keepMonths, newestOf.size),
        )) {
          if (!left.has(`app-${good}`)) throw new Error(`day ${day}: lost the month's app-${good}`);
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

test("whatever the order of copies and the hour of the clock change, the plan is the same", () => {
  const hours = fc.array(fc.integer({ min: 0, max: 24 * 60 }), { maxLength: 40 });
  fc.assert(
    fc.property(hours, tiers, (offsets, keep) => {
      const copies = [...new Set(offsets)].map((hour) => copy(hour / 24));
      const now = at(61);
      expect(plan([...copies].reverse(), keep, now)).toEqual(plan(copies, keep, now));
    }),
  );
});
