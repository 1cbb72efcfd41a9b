import { defineConfig } from "vitest/config";

/** Suites that talk to a real server; one is started for all of them. */
const withServer = ["test/migrate/**/*.test.ts"];

export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Suites start servers and whole programs; more than two at a time only wait for each other.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: "plain", include: ["test/**/*.test.ts"], exclude: withServer },
      },
      {
        extends: true,
        test: {
          name: "server",
          include: withServer,
          globalSetup: ["test/support/with-server.ts"],
        },
      },
    ],
  },
});
