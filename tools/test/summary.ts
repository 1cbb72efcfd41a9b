import type { TestRecord } from "./report.ts";

export interface SuiteOutcome {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  note: string;
}

const SLOWEST = 20;

export function outcomeOf(own: TestRecord[]): Omit<SuiteOutcome, "name"> {
  const count = (state: TestRecord["state"]) => own.filter((each) => each.state === state).length;
  const skipped = count("skipped") > 0 ? `, ${count("skipped")} skipped` : "";
  const note = `${count("passed")} tests passed, ${count("failed")} failed${skipped}`;
  // No test at all is no pass.
  const passed = count("passed") > 0 && count("failed") === 0;
  return { outcome: passed ? "passed" : "failed", note };
}

export function describeSlowest(records: TestRecord[]): string[] {
  const slowest = [...records].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  return slowest.map(
    ({ seconds, file, title }) => `${seconds.toFixed(1).padStart(6)} s  ${file}: ${title}`,
  );
}

export const describeSkipped = (records: TestRecord[]): string[] =>
  records
    .filter(({ state }) => state === "skipped")
    .map(({ file, title, note }) => `skipped ${file}: ${title} (${note ?? "no reason given"})`);

export const describeFailed = (records: TestRecord[]): string[] =>
  records
    .filter(({ state }) => state === "failed")
    .flatMap(({ file, title, note }) => [`failed ${file}: ${title}`, ...indent(note ?? "")]);

const indent = (text: string) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => `    ${line}`);
