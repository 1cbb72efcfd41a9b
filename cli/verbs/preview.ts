import type { Verb } from "../verb.ts";

export const preview: Verb = {
  name: "preview",
  where: "here",
  group: "stack",
  summary: "show what `up` would change: `pulumi preview`",
  args: "[pulumi-flags...]",
  passUnknownFlags: true,
  options: [
    {
      flags: "--expect-no-changes",
      description: "exit 2 if anything but the migration step would change",
    },
  ],
  examples: ["pgstead preview", "pgstead preview --stack prod --expect-no-changes"],
  async run(context, { args, options }) {
    const { prepareDeployment, runPulumi } = await import("../stack/pulumi/run-pulumi.ts");
    const note = (line: string) => context.note(line);
    const run = await prepareDeployment(await context.root(), await context.stack(), note);
    if (!options.expectNoChanges) {
      return runPulumi(run, ["preview", ...(context.json ? ["--json"] : []), ...args]);
    }
    const { expectNoChanges } = await import("../stack/pulumi/expect-no-changes.ts");
    const result = await expectNoChanges(run, args);
    context.print(result, () =>
      result.changes.length === 0
        ? "no changes but the migration step"
        : result.changes.map(({ operation, urn }) => `${operation} ${urn}`).join("\n"),
    );
    return result.changes.length === 0 ? 0 : 2;
  },
};
