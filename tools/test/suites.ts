import type { Fixture } from "./fixtures.ts";

/** A program whose exit code says whether it passed. */
export interface ProgramSuite {
  name: string;
  program: string[];
}

/** Folders of tests, and what they need of the machine. */
export interface FolderSuite {
  name: string;
  folders: string[];
  needs: Fixture[];
}

export const programSuites: ProgramSuite[] = [
  { name: "types", program: ["node_modules/.bin/tsc"] },
  { name: "style", program: ["node_modules/.bin/biome", "check", "."] },
  { name: "dead code", program: ["node_modules/.bin/knip"] },
  // Packing builds dist/, which the folders' tests read: it is done before they start.
  {
    name: "package",
    program: ["node", "node_modules/vitest/vitest.mjs", "run", "test/package/packed.test.ts"],
  },
];

/** The longest first: two run side by side, and the last one must not be long. */
export const folderSuites: FolderSuite[] = [
  { name: "stack", folders: ["test/stack"], needs: ["engine", "s3", "psql"] },
  { name: "unit", folders: ["test/unit", "test/components"], needs: [] },
  { name: "production", folders: ["test/package/production.test.ts"], needs: [] },
  { name: "embedded", folders: ["test/embedded"], needs: [] },
  { name: "front door", folders: ["test/front-door"], needs: ["psql"] },
  { name: "migrate", folders: ["test/migrate"], needs: ["engine"] },
  { name: "vector", folders: ["test/vector"], needs: ["engine"] },
  { name: "contract", folders: ["test/contract"], needs: ["engine", "s3"] },
  { name: "faults", folders: ["test/faults"], needs: ["engine", "s3"] },
  { name: "backup", folders: ["test/backup"], needs: ["engine", "s3", "psql"] },
];

/** What answers within a minute, without an engine. */
export const QUICK = ["types", "style", "dead code", "package", "unit"];
