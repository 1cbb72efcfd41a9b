import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const up: Verb = {
  name: "up",
  where: "here",
  group: "stack",
  summary: "bring the stack up: `pulumi up` with its environment prepared",
  args: "[pulumi-flags...]",
  passUnknownFlags: true,
  examples: ["pgstead up", "pgstead up --stack dev --yes", "pgstead up --diff"],
  writes: true,
  async run(context, { args }) {
    const { prepareDeployment } = await import("../stack/pulumi/run-pulumi.ts");
    const { bringUp } = await import("../stack/steps/bring-up.ts");
    const { isEmbedded, readStackFile } = await import("../stack/stack-file.ts");
    const [root, stack] = [await context.root(), await context.stack()];
    const note = (line: string) => context.note(line);
    const run = await prepareDeployment(root, stack, note);
    // The embedded server belongs to this checkout and keeps its data, so no question is needed.
    const agreed = context.yes || isEmbedded(readStackFile(root, stack));
    // Who answers yes beforehand does not read the preview.
    const yes = agreed ? ["--yes", "--skip-preview"] : [];
    const code = await bringUp(run, [...yes, ...args], note);
    if (code === ExitCode.fine) {
      context.note(
        'connect with "pgstead psql"; "pgstead outputs --env" prints the URL for applications',
      );
    }
    return code;
  },
};
