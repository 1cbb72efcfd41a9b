import { defineConfig } from "vitest/config";

/** What takes minutes is left to `make faults`. */
const leftToFaults =
  process.env.PGSTEAD_FAULTS === "all"
    ? []
    : ["test/stack/reboot.test.ts", "test/stack/drill.test.ts"];
const onPackage = ["test/package/**/*.test.ts"];
const onServer = ["test/migrate/**/*.test.ts", "test/vector/**/*.test.ts"];

export default defineConfig({
  test: {
    // Against hanging, not against being slow: a busy machine must not turn a test red.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // Suites start servers and whole programs; more than two at a time only wait for each other.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: "server", include: onServer, globalSetup: ["test/support/with-server.ts"] },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: onPackage,
          globalSetup: ["test/support/with-package.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "house",
          include: ["test/**/*.test.ts"],
          exclude: [...onServer, ...onPackage, ...leftToFaults],
        },
      },
    ],
  },
});
