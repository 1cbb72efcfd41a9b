import { readFileSync } from "node:fs";
import type { Verb } from "../verb.ts";

export const stepMigrate: Verb = {
  name: "step migrate",
  where: "here",
  group: "started by the stack itself",
  summary: "migrates a stack of containers; reads its parameters from stdin",
  examples: ["pulumi up --stack dev"],
  async run() {
    const { runMigrationStep } = await import("../stack/steps/migration-step.ts");
    return runMigrationStep(JSON.parse(readFileSync(0, "utf8")));
  },
};
