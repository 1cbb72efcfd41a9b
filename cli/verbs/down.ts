import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const down: Verb = {
  name: "down",
  where: "here",
  group: "stack",
  summary: "take the stack down and keep its data: `pulumi destroy`",
  args: "[pulumi-flags...]",
  passUnknownFlags: true,
  options: [
    {
      flags: "--delete-data <stack>",
      description: "delete the data too; repeat the stack's name to show that you mean it",
    },
  ],
  examples: ["pgstead down", "pgstead down --yes", "pgstead down --delete-data local --yes"],
  writes: true,
  async run(context, { args, options }) {
    const [root, stack] = [await context.root(), await context.stack()];
    const { assertMeant, deleteData, forgetData, stopEmbedded } = await import(
      "../stack/steps/take-down.ts"
    );
    assertMeant(stack, options.deleteData as string | undefined);
    const containers = await context.dockerStack();
    if (containers && options.deleteData) {
      const { assertUnprotected } = await import("../stack/docker/server-container.ts");
      assertUnprotected(containers);
    }
    const { prepareDeployment, runPulumi } = await import("../stack/pulumi/run-pulumi.ts");
    const run = await prepareDeployment(root, stack, (line) => context.note(line));
    const { isEmbedded, readStackFile } = await import("../stack/stack-file.ts");
    const agreed = context.yes || (isEmbedded(readStackFile(root, stack)) && !options.deleteData);
    const yes = agreed ? ["--yes", "--skip-preview"] : [];
    const code = await runPulumi(run, ["destroy", "--exclude-protected", ...yes, ...args]);
    if (code !== ExitCode.fine) return code;
    await stopEmbedded(root, stack, (line) => context.note(line));
    if (containers && options.deleteData) {
      const { deleteVolumes } = await import("../stack/docker/server-container.ts");
      await deleteVolumes(containers, (line) => context.note(line));
      return forgetData(run);
    } else if (options.deleteData) deleteData(root, stack, (line) => context.note(line));
    return ExitCode.fine;
  },
};
