import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { Reporter, TestCase, TestModule } from "vitest/node";

export interface TestRecord {
  file: string;
  title: string;
  state: "passed" | "failed" | "skipped";
  seconds: number;
  /** Why it was skipped, or how it failed. */
  note: string | undefined;
}

/** Writes every test with its time and state to PGSTEAD_TEST_REPORT, for the summary of the run. */
export default class Report implements Reporter {
  readonly #records: TestRecord[] = [];

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    this.#records.push({
      file: fileOf(test.module),
      title: test.fullName,
      state: result.state === "pending" ? "failed" : result.state,
      seconds: (test.diagnostic()?.duration ?? 0) / 1000,
      note: result.state === "skipped" ? result.note : describeErrors(result.errors),
    });
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) this.#addBrokenFile(module);
    const file = process.env.PGSTEAD_TEST_REPORT;
    if (file) writeFileSync(file, JSON.stringify(this.#records));
  }

  /** A file that cannot be loaded, or whose hook fails, may have no test that failed. */
  #addBrokenFile(module: TestModule): void {
    const file = fileOf(module);
    const hasFailed = this.#records.some((each) => each.file === file && each.state === "failed");
    if (module.ok() || hasFailed) return;
    const note = describeErrors(module.errors());
    this.#records.push({ file, title: "(the file)", state: "failed", seconds: 0, note });
  }
}

/** Enough to know what failed where only the end of the output is left. */
const MOST = 1_500;

function describeErrors(
  errors: readonly { message?: string; diff?: string }[] = [],
): string | undefined {
  const texts = errors.flatMap(({ message, diff }) => [message, diff].filter((each) => each));
  const text = stripVTControlCharacters(texts.join("\n"));
  if (text === "") return undefined;
  return text.length > MOST ? `${text.slice(0, MOST)} ...` : text;
}

const fileOf = (module: TestModule) => relative(process.cwd(), module.moduleId);
