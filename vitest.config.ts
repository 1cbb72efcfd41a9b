import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Suites start servers and whole programs; more than two at a time only wait for each other.
    maxWorkers: 2,
  },
});
