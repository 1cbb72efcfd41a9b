import { defineConfig } from "vitest/config";

/** Tests that run the bundle do not see a change of its sources. */
const onBundle = ["test/unit/{help,old-agent,start}.test.ts"];

export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts", "test/components/**/*.test.ts"],
    exclude: onBundle,
    // A mutant may loop without end.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 1,
    pool: "threads",
    bail: 1,
  },
});
