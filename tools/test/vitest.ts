import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestRecord } from "./report.ts";

/** Runs the tests of the folders. With a prefix, each line of output begins with it. */
export async function runVitest(
  folders: string[],
  flags: string[],
  prefix: string | undefined,
): Promise<TestRecord[]> {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-report-"));
  const file = join(folder, "tests.json");
  const vitest = ["node", "node_modules/vitest/vitest.mjs", "run", ...folders, ...flags];
  const reporters = ["--reporter=default", "--reporter=./tools/test/report.ts"];
  // Where an official provider plugin cannot be had, a stand-in that does the same takes its place.
  const child = spawn("test/with-standins", [...vitest, ...reporters], {
    stdio: prefix === undefined ? "inherit" : ["ignore", "pipe", "pipe"],
    env: { ...process.env, PGSTEAD_TEST_REPORT: file },
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (!stream) continue;
    const lines = createInterface({ input: stream });
    lines.on("line", (line) => console.log(`${prefix}${line}`));
  }
  await new Promise((resolve) => child.once("close", resolve));
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // It ended before its report: the suite counts as failed, because no test passed.
    return [];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
