import { expect, test } from "vitest";
import { planRetention, type RetentionSettings } from "../../operate/backup/store/retention.ts";

const NOW = new Date("2026-03-20T12:00:00Z");
/** Good copies that are not proven, from noon of these days. */
const copiesOf = (...days: string[]) =>
  days.map((day) => ({ id: day, startedAt: `${day}T11:00:00Z`, good: true, proven: false }));

function keptOf(copies: ReturnType<typeof copiesOf>, settings: Partial<RetentionSettings>) {
  const plan = planRetention(
    copies,
    { keepDays: 1, keepWeeks: 0, keepMonths: 0, ...settings },
    NOW,
  );
  return plan.filter(({ keep }) => keep).map(({ id, reason }) => `${id}: ${reason}`);
}

test("the newest days stay, and older ones only while too few later days have a good copy", () => {
  const copies = copiesOf("2026-03-20", "2026-03-19", "2026-03-10", "2026-03-09", "2026-03-01");
  expect(keptOf(copies, { keepDays: 2 })).toEqual([
    "2026-03-20: the newest good one",
    "2026-03-19: younger than 2 days",
  ]);
  expect(keptOf(copies, { keepDays: 4 })).toEqual([
    "2026-03-20: the newest good one",
    "2026-03-19: younger than 4 days",
    "2026-03-10: only 2 later days have a good one, 4 are kept",
    "2026-03-09: only 3 later days have a good one, 4 are kept",
  ]);
});

test("one copy stays for each week and for each month, the newest of it", () => {
  const copies = copiesOf("2026-03-20", "2026-03-12", "2026-03-10", "2026-02-27", "2026-02-20");
  expect(keptOf(copies, { keepWeeks: 2 })).toEqual([
    "2026-03-20: the newest good one",
    "2026-03-12: the newest good one of its week",
  ]);
  expect(keptOf(copies, { keepMonths: 2 })).toEqual([
    "2026-03-20: the newest good one",
    "2026-02-27: the newest good one of its month",
  ]);
});

test("a week at New Year is one week, and begins on Monday", () => {
  const copies = copiesOf("2026-03-20", "2026-01-04", "2026-01-01", "2025-12-29", "2025-12-28");
  expect(keptOf(copies, { keepWeeks: 3 })).toEqual([
    "2026-03-20: the newest good one",
    "2026-01-04: the newest good one of its week",
    "2025-12-28: the newest good one of its week",
  ]);
});
