import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

const folder = join(import.meta.dirname, "..", "..", ".github", "workflows");

interface Job {
  uses?: string;
  "timeout-minutes"?: number;
}

describe.each(readdirSync(folder))("%s", (name) => {
  const text = readFileSync(join(folder, name), "utf8");

  test("takes each action by its commit, because a tag can be moved", () => {
    const uses = text.split("\n").filter((line) => /^\s*(- )?uses:/.test(line));
    const others = uses.filter((line) => !line.includes("uses: ./"));
    expect(uses.length).toBeGreaterThan(0);
    for (const line of others) expect(line).toMatch(/uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("grants no right that it does not name, and each job ends", () => {
    const { permissions, jobs } = parse(text) as {
      permissions: object;
      jobs: Record<string, Job>;
    };
    expect([{}, { contents: "read" }]).toContainEqual(permissions);
    for (const [job, { uses, "timeout-minutes": minutes }] of Object.entries(jobs)) {
      // A called workflow has limits of its own.
      if (!uses) expect(minutes, job).toBeGreaterThan(0);
    }
  });
});
