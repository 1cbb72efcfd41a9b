import { readFileSync } from "node:fs";
import type { Verb } from "../verb.ts";

export const stepAtStake: Verb = {
  name: "step at-stake",
  where: "here",
  group: "started by the stack itself",
  summary: "what a refusal of `pulumi up` says of the data; reads its parameters from stdin",
  examples: ["pulumi up --stack prod"],
  async run() {
    const { describeStake } = await import("../stack/steps/at-stake.ts");
    process.stdout.write(await describeStake(JSON.parse(readFileSync(0, "utf8"))));
  },
};
