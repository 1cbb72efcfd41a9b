import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { main } from "../../cli/main.ts";
import { describeFailure, errorFrom } from "../../cli/request.ts";
import { addDoneBefore, mistake } from "../../operate/error.ts";

vi.mock("../../cli/run-verb.ts", () => ({
  runVerb: () => {
    throw new TypeError("x is undefined");
  },
}));

let exitCode: typeof process.exitCode;
beforeEach(() => {
  exitCode = process.exitCode;
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = exitCode;
});

test("a bug shows its stack on stderr, and JSON on stdout if --json is given", async () => {
  const stdout = vi.spyOn(console, "log").mockImplementation(() => {});
  const stderr = vi.spyOn(console, "error").mockImplementation(() => {});
  await main(["version-of-nothing", "--json"]);
  await main(["migrate", "list", "--json"]);
  expect(stdout.mock.calls.map(([line]) => JSON.parse(line))).toEqual([
    { error: "unknown command 'version-of-nothing'", exitCode: 1 },
    { error: "TypeError: x is undefined", exitCode: 1, bug: true },
  ]);
  expect(stderr.mock.calls.join("\n")).toMatch(
    /TypeError: x is undefined\n {4}at .*bug of pgstead/s,
  );
  expect(process.exitCode).toBe(1);
});

test("what was done before a failure comes back from the agent", () => {
  const failed = describeFailure(addDoneBefore(mistake("no"), { applied: [{ version: "1" }] }));
  const received = errorFrom(JSON.parse(JSON.stringify(failed)));
  expect(describeFailure(received)).toEqual({
    ...{ message: "no", exitCode: 1, doneBefore: { applied: [{ version: "1" }] } },
  });
});
