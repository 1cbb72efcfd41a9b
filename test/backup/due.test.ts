import { describe, expect, test } from "vitest";
import { findDueTime, isAttemptAllowed, parseSchedule } from "../../operate/agent/due.ts";
import type { Run } from "../../operate/agent/state.ts";

const nightly = parseSchedule("0 2 * * *");
const due = (handled: string | null, now: string, newest?: string) =>
  findDueTime(nightly, { handled }, newest, new Date(now));

describe("what is due", () => {
  test.each([
    ["nothing before its hour", "2026-05-06T02:00:00Z", "2026-05-07T01:59:59Z", undefined],
    ["tonight's at its second", "2026-05-06T02:00:00Z", "2026-05-07T02:00:00Z", "2026-05-07"],
    ["nothing once it is taken", "2026-05-07T02:00:00Z", "2026-05-07T02:00:05Z", undefined],
    ["a missed one, later", "2026-05-06T02:00:00Z", "2026-05-07T17:00:00Z", "2026-05-07"],
    ["of many missed, the newest", "2026-04-01T02:00:00Z", "2026-05-07T01:00:00Z", "2026-05-06"],
  ])("%s", (_, handled, now, day) => {
    expect(due(handled, now)).toBe(day && `${day}T02:00:00.000Z`);
  });

  test("the first one does not wait for the night", () => {
    expect(due(null, "2026-05-07T17:00:00Z")).toBe("2026-05-07T02:00:00.000Z");
  });

  test("a lost state is made up from the backups there are", () => {
    expect(due(null, "2026-05-07T17:00:00Z", "2026-05-07T02:00:01Z")).toBeUndefined();
    expect(due(null, "2026-05-07T17:00:00Z", "2026-05-06T02:00:01Z")).toBeDefined();
  });

  test("a country's clocks neither skip a night nor take one twice", () => {
    for (const night of ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01"]) {
      const before = new Date(Date.parse(`${night}T02:00:00Z`) - 1).toISOString();
      const handled = new Date(Date.parse(`${night}T02:00:00Z`) - 24 * 3600_000).toISOString();
      expect(due(handled, before)).toBeUndefined();
      expect(due(handled, `${night}T03:00:00Z`)).toBe(`${night}T02:00:00.000Z`);
      expect(due(`${night}T02:00:00.000Z`, `${night}T03:30:00Z`)).toBeUndefined();
    }
  });

  test("S34: a clock that was years ahead does not silence the schedule", () => {
    expect(due("2031-01-01T02:00:00Z", "2026-05-07T17:00:00Z", "2026-05-06T02:00:01Z")).toBe(
      "2026-05-07T02:00:00.000Z",
    );
    // One that is set back by seconds takes no second backup.
    expect(due("2026-05-07T02:00:00Z", "2026-05-07T01:59:58Z")).toBeUndefined();
  });
});

test("a failure is tried again after 5 minutes, 10, 20, 40, then hourly", () => {
  const finishedAt = "2026-05-07T02:00:00Z";
  const waits = [1, 2, 3, 4, 5, 9].map((failures) => {
    for (let minutes = 0; ; minutes++) {
      const now = new Date(Date.parse(finishedAt) + minutes * 60_000);
      if (isAttemptAllowed({ last: { finishedAt } as Run, failures }, now)) return minutes;
    }
  });
  expect(waits).toEqual([5, 10, 20, 40, 60, 60]);
});

describe("fails", () => {
  test.each(["", "nonsense", "61 2 * * *", "0 2 30 2 *"])("on the schedule %j", (text) => {
    expect(() => parseSchedule(text)).toThrow(/is not a cron expression|matches no date/);
  });
});
