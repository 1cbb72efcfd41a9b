import { readFileSync } from "node:fs";
import type { Verb } from "../verb.ts";

export const stepAtStake: Verb = {
  name: "step at-stake",
  where: "here",
  group: "started by the stack itself",
  summary: "says what data a refused change would lose; reads its parameters from stdin",
  examples: ["pulumi up --stack prod"],
  async run() {
    const { describeStake } = await import("../stack/steps/at-stake.ts");
    process.stdout.write(await describeStake(JSON.parse(readFileSync(0, "utf8"))));
  },
};
