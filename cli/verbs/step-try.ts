import { readFileSync } from "node:fs";
import type { Verb } from "../verb.ts";

export const stepTry: Verb = {
  name: "step try",
  where: "here",
  group: "started by the stack itself",
  summary: "tries a changed server in a preview; reads its parameters from stdin",
  examples: ["pulumi preview --stack prod"],
  async run() {
    const { tryServer } = await import("../stack/steps/server-trial.ts");
    await tryServer(JSON.parse(readFileSync(0, "utf8")));
  },
};
