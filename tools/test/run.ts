import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { acquirePulumi } from "../../cli/stack/pulumi/acquire-pulumi.ts";
import { bringUp, type Fixture, findObstacle } from "./fixtures.ts";
import type { TestRecord } from "./report.ts";
import { folderSuites, type ProgramSuite, programSuites, QUICK } from "./suites.ts";
import {
  describeFailed,
  describeSkipped,
  describeSlowest,
  outcomeOf,
  type SuiteOutcome,
} from "./summary.ts";

const started = Date.now();
const { names, flags } = readArguments(process.argv.slice(2));
const isWanted = ({ name }: { name: string }) => names.length === 0 || names.includes(name);
const programs = programSuites.filter(isWanted);
const folders = folderSuites.filter(isWanted);
const fixtures = [...new Set(folders.flatMap(({ needs }) => needs))];

const obstacles = new Map<Fixture, string>();
for (const fixture of fixtures) {
  const obstacle = findObstacle(fixture);
  if (obstacle) obstacles.set(fixture, obstacle);
}
for (const [fixture, obstacle] of obstacles) {
  const suites = folders.filter(({ needs }) => needs.includes(fixture)).map(({ name }) => name);
  console.log(`not on this machine: ${obstacle}; cannot run: ${suites.join(", ")}`);
}

// Yesterday's bundle would pass or fail for yesterday's reasons.
if (spawnSync("npm", ["run", "--silent", "build"], { stdio: "inherit" }).status !== 0) {
  process.exit(1);
}
// Some suites look for Pulumi on PATH.
const pulumi = await acquirePulumi((line) => console.error(line));
process.env.PATH = [dirname(pulumi.program), process.env.PATH].join(delimiter);

const made = Promise.all(fixtures.map((fixture) => bringUpUnless(fixture)));
const outcomes: SuiteOutcome[] = [];
for (const suite of programs) outcomes.push(runProgram(suite));
await made;
const records = runFolders();
report();

function readArguments(args: string[]): { names: string[]; flags: string[] } {
  const flags = args.filter((arg) => arg.startsWith("--") && arg !== "--quick");
  const given = args.filter((arg) => !arg.startsWith("--"));
  const known = [...programSuites, ...folderSuites].map(({ name }) => name);
  const unknown = given.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`error: there is no suite ${unknown.join(", ")}; suites: ${known.join(", ")}`);
    process.exit(1);
  }
  return { names: args.includes("--quick") ? QUICK : given, flags };
}

async function bringUpUnless(fixture: Fixture): Promise<void> {
  if (obstacles.has(fixture)) return;
  const failure = await bringUp(fixture);
  if (failure) obstacles.set(fixture, failure);
}

function runProgram({ name, program: [program, ...args] }: ProgramSuite): SuiteOutcome {
  console.log(`\n== ${name}`);
  const start = Date.now();
  const { status } = spawnSync(program as string, args, { stdio: "inherit" });
  const outcome = status === 0 ? "passed" : "failed";
  return { name, outcome, note: `${Math.round((Date.now() - start) / 1000)} s` };
}

/** A vitest for each suite, one after the other: what a suite counts on the engine is its own. */
function runFolders(): TestRecord[] {
  return folders.flatMap(({ name, folders: wanted, needs }) => {
    const lack = needs.find((fixture) => obstacles.has(fixture));
    if (lack) {
      const note = `could not run: ${obstacles.get(lack)}`;
      outcomes.push({ name, outcome: "skipped", note });
      return [];
    }
    console.log(`\n== ${name}`);
    const start = Date.now();
    const tested = runVitest(wanted);
    const { outcome, note } = outcomeOf(tested);
    const seconds = Math.round((Date.now() - start) / 1000);
    outcomes.push({ name, outcome, note: `${note}, ${seconds} s` });
    return tested;
  });
}

function runVitest(wanted: string[]): TestRecord[] {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-report-"));
  const file = join(folder, "tests.json");
  const vitest = ["node", "node_modules/vitest/vitest.mjs", "run", ...wanted, ...flags];
  const reporters = ["--reporter=default", "--reporter=./tools/test/report.ts"];
  // Where an official provider plugin cannot be had, a stand-in that does the same takes its place.
  spawnSync("test/with-standins", [...vitest, ...reporters], {
    stdio: "inherit",
    env: { ...process.env, PGSTEAD_TEST_REPORT: file },
  });
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // It ended before its report: the suite counts as failed, because no test passed.
    return [];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(): void {
  const lines = [
    "",
    "the slowest tests:",
    ...describeSlowest(records),
    "",
    ...outcomes.map(({ name, outcome, note }) => `${outcome.padEnd(8)} ${name} (${note})`),
    ...describeSkipped(records),
    ...describeFailed(records),
    `${Math.round((Date.now() - started) / 1000)} s in all`,
  ];
  for (const line of lines) console.log(line);
  const count = (wanted: string) => outcomes.filter(({ outcome }) => outcome === wanted).length;
  const skippedTests = records.filter(({ state }) => state === "skipped").length;
  const skipped = count("skipped") + skippedTests;
  // In CI nobody reads the lines above: what did not run must not look like what passed.
  const failed = count("failed") + (process.env.CI ? skipped : 0);
  const note = skipped > 0 && !process.env.CI ? `, ${skipped} skipped` : "";
  console.log(`\n${count("passed")} passed, ${failed} failed${note}`);
  process.exitCode = failed > 0 || count("passed") === 0 ? 1 : 0;
}
