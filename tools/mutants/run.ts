import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../../test/faults/harness/random.ts";
import { findMutations, type Mutation } from "./mutations.ts";
import { readDistances } from "./related-tests.ts";
import { filesOf, SHELVES } from "./shelves.ts";
import { Tester } from "./tester.ts";

/**
 * Changes the sources one place at a time, in a copy of the checkout, and counts which changes the unit tests
 * notice. Prints the score of each shelf and the changes that nothing notices.
 */
interface Mutant extends Mutation {
  file: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "25" },
    seed: { type: "string", default: "1" },
  },
});
const shelves = positionals.length > 0 ? positionals : SHELVES;
const copy = copyCheckout();
const tester = new Tester(copy);
const distances = readDistances(copy);

const scores: string[] = [];
try {
  for (const shelf of shelves) scores.push(await measure(shelf));
} finally {
  tester.stop();
  rmSync(copy, { recursive: true, force: true });
}
for (const score of scores) console.log(score);

async function measure(shelf: string): Promise<string> {
  const all = filesOf(copy, shelf).flatMap((file) =>
    findMutations(readFileSync(join(copy, file), "utf8")).map(
      (found): Mutant => ({ file, ...found }),
    ),
  );
  const chosen = choose(all);
  let killed = 0;
  let untested = 0;
  await assertGreen(chosen);
  for (const mutant of chosen) {
    const tests = testsOf(mutant.file);
    if (tests.length === 0) untested += 1;
    else if (await isKilled(mutant, tests)) killed += 1;
    else console.log(`survived ${mutant.file}:${mutant.line}: ${mutant.change}`);
  }
  await assertGreen(chosen);
  const tested = chosen.length - untested;
  const note = untested > 0 ? `, ${untested} in files that no unit test imports` : "";
  const score = tested > 0 ? `${Math.round((killed / tested) * 100)} %` : "-";
  const line = `${score.padStart(5)}  ${shelf} (${killed} of ${tested} killed${note}; ${all.length} possible)`;
  console.log(line);
  return line;
}

/** Red tests without a change would count every change as noticed. */
async function assertGreen(mutants: Mutant[]): Promise<void> {
  const [first] = mutants;
  if (!first || !(await tester.isKilled(first.file, testsOf(first.file)))) return;
  throw new Error(`the unit tests of ${first.file} fail without a change: run "npm test -- unit"`);
}

/** The same ones for the same seed. */
function choose(mutants: Mutant[]): Mutant[] {
  const random = new Random(Number(values.seed));
  return mutants
    .map((mutant) => ({ mutant, place: random.next() }))
    .sort((a, b) => a.place - b.place)
    .slice(0, Number(values.count))
    .map(({ mutant }) => mutant);
}

/** The nearest test first, because it most likely notices the change. */
function testsOf(file: string): string[] {
  const distanceOf = (test: string) => distances.get(test)?.get(file) ?? Number.POSITIVE_INFINITY;
  return [...distances.keys()]
    .filter((test) => distanceOf(test) < Number.POSITIVE_INFINITY)
    .sort((a, b) => distanceOf(a) - distanceOf(b));
}

async function isKilled({ file, start, end, text }: Mutant, tests: string[]): Promise<boolean> {
  const path = join(copy, file);
  const source = readFileSync(path, "utf8");
  writeFileSync(path, source.slice(0, start) + text + source.slice(end));
  try {
    return await tester.isKilled(file, tests);
  } finally {
    writeFileSync(path, source);
  }
}

/** The checkout itself stays as it is, whenever this is ended. */
function copyCheckout(): string {
  const folder = mkdtempSync(join(tmpdir(), "pgstead-mutants-"));
  const skipped = /(^|\/)(node_modules|\.git|\.pgstead|dist)$/;
  cpSync(".", folder, { recursive: true, filter: (path) => !skipped.test(path) });
  symlinkSync(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
  return folder;
}
