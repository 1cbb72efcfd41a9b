import { createVitest } from "vitest/node";

/**
 * Runs test files for the mutants of one copy. A process of its own: its parent ends it when a mutant loops
 * without end. It answers each message `{ changed, tests }` with `{ isKilled }`.
 */
const vitest = await createVitest("test", {
  root: process.cwd(),
  config: "tools/mutants/vitest.config.ts",
  watch: false,
  reporters: [{}],
});
const specifications = await vitest.globTestSpecifications();

/** Its source is as it was again, but Vitest still has the change. */
let previous: string | undefined;

process.on("message", async ({ changed, tests }: { changed: string; tests: string[] }) => {
  for (const file of [previous, changed]) {
    if (file) vitest.invalidateFile(`${process.cwd()}/${file}`);
  }
  previous = changed;
  for (const test of tests) {
    const own = specifications.filter(({ moduleId }) => moduleId.endsWith(`/${test}`));
    vitest.state.clearErrors();
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(own);
    // Vitest gives the modules of earlier runs, too.
    const isGreen = testModules
      .filter(({ moduleId }) => own.some((each) => each.moduleId === moduleId))
      .every((module) => module.ok());
    if (!isGreen || unhandledErrors.length > 0) return process.send?.({ isKilled: true });
  }
  process.send?.({ isKilled: false });
});
process.send?.({ isReady: true });
