import { spawnSync } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { acquirePulumi } from "../../cli/stack/pulumi/acquire-pulumi.ts";
import { bringUp, type Fixture, findObstacle } from "./fixtures.ts";
import { runInLanes } from "./lanes.ts";
import type { TestRecord } from "./report.ts";
import {
  type FolderSuite,
  folderSuites,
  type ProgramSuite,
  programSuites,
  QUICK,
} from "./suites.ts";
import {
  describeFailed,
  describeSkipped,
  describeSlowest,
  outcomeOf,
  type SuiteOutcome,
} from "./summary.ts";
import { runVitest } from "./vitest.ts";

const started = Date.now();
const { names, flags } = readArguments(process.argv.slice(2));
const isWanted = ({ name }: { name: string }) => names.length === 0 || names.includes(name);
const programs = programSuites.filter(isWanted);
const folders = folderSuites.filter(isWanted);
/** Rows of `make faults` restart the engine, which another suite would notice. */
const lanes = process.env.PGSTEAD_FAULTS === "all" ? 1 : 2;
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
const records = await runFolders();
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

/** A vitest for each suite: what a suite counts on the engine is its own. */
async function runFolders(): Promise<TestRecord[]> {
  const width = Math.max(...folders.map(({ name }) => name.length));
  const runs = folders.map((suite) => () => runFolder(suite, width));
  return (await runInLanes(runs, lanes)).flat();
}

async function runFolder(suite: FolderSuite, width: number): Promise<TestRecord[]> {
  const { name, needs } = suite;
  const lack = needs.find((fixture) => obstacles.has(fixture));
  if (lack) {
    outcomes.push({ name, outcome: "skipped", note: `could not run: ${obstacles.get(lack)}` });
    return [];
  }
  console.log(`\n== ${name}`);
  const start = Date.now();
  const prefix = lanes > 1 && folders.length > 1 ? `${name.padEnd(width)} | ` : undefined;
  const tested = await runVitest(suite.folders, flags, prefix);
  const { outcome, note } = outcomeOf(tested);
  const seconds = Math.round((Date.now() - start) / 1000);
  outcomes.push({ name, outcome, note: `${note}, ${seconds} s` });
  return tested;
}

/** Suites end in another order than they stand in the table. */
function inOrder(ended: SuiteOutcome[]): SuiteOutcome[] {
  const place = (outcome: SuiteOutcome) =>
    [...programSuites, ...folderSuites].findIndex(({ name }) => name === outcome.name);
  return [...ended].sort((a, b) => place(a) - place(b));
}

function report(): void {
  const lines = [
    "",
    "the slowest tests:",
    ...describeSlowest(records),
    "",
    ...inOrder(outcomes).map(({ name, outcome, note }) => `${outcome.padEnd(8)} ${name} (${note})`),
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
