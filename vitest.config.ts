import { defineConfig } from "vitest/config";

const onServer = ["test/migrate/**/*.test.ts", "test/vector/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Suites start servers and whole programs; more than two at a time only wait for each other.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: "server", include: onServer, globalSetup: ["test/support/with-server.ts"] },
      },
      { extends: true, test: { name: "house", include: ["test/**/*.test.ts"], exclude: onServer } },
    ],
  },
});
