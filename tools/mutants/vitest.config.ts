import { defineConfig } from "vitest/config";
import { LEFT_OUT } from "./related-tests.ts";

export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts", "test/components/**/*.test.ts"],
    exclude: LEFT_OUT,
    // A mutant may loop without end.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 1,
    pool: "threads",
    bail: 1,
  },
});
