import { readFileSync } from "node:fs";
import type { Verb } from "../verb.ts";

export const stepChange: Verb = {
  name: "step change",
  where: "here",
  group: "started by the stack itself",
  summary: "runs before a server's image changes; reads its parameters from stdin",
  examples: ["pulumi up --stack prod"],
  async run(context) {
    const { runChangeStep } = await import("../stack/steps/change-step.ts");
    const image = process.env.PGSTEAD_IMAGE ?? "";
    const step = { ...JSON.parse(readFileSync(0, "utf8")), image };
    await runChangeStep(step, (line) => context.note(line));
    // The next change finds `server` in PULUMI_COMMAND_STDOUT.
    process.stdout.write(`${JSON.stringify({ image, server: step.server })}\n`);
  },
};
