import type { Verb } from "../verb.ts";

export const up: Verb = {
  name: "up",
  group: "stack",
  summary: "bring the stack up: `pulumi up` with its environment prepared",
  args: "[pulumi-flags...]",
  examples: ["pgstead up", "pgstead up --stack dev --yes", "pgstead up -- --diff"],
  writes: true,
  async run(context, { args }) {
    const { preparePulumi, runPulumi } = await import("../stack/run-pulumi.ts");
    const note = (line: string) => context.note(line);
    const run = await preparePulumi(await context.root(), await context.stack(), note);
    // Whoever answers yes beforehand does not read the preview either.
    const yes = context.yes ? ["--yes", "--skip-preview"] : [];
    return runPulumi(run, ["up", ...yes, ...args]);
  },
};
