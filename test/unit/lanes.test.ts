import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { runInLanes } from "../../tools/test/lanes.ts";

test("jobs start in their order, at most two at a time, and their results keep that order", async () => {
  const started: number[] = [];
  let running = 0;
  let most = 0;
  const jobs = [3, 1, 4, 1, 5].map((turns, place) => async () => {
    started.push(place);
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < turns; turn++) await setImmediate();
    running -= 1;
    return place * 10;
  });
  expect(await runInLanes(jobs, 2)).toEqual([0, 10, 20, 30, 40]);
  expect(started).toEqual([0, 1, 2, 3, 4]);
  expect(most).toBe(2);
});
