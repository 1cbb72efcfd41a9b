import { ExitCode, mistake } from "../../operate/error.ts";
import type { Remains } from "../stack/steps/recover.ts";
import type { Verb } from "../verb.ts";

export const recover: Verb = {
  name: "recover",
  where: "here",
  group: "stack",
  summary: "take the data of a stack into a new state, after its state was lost",
  help: `The volumes stay as they are. The stack's containers are replaced. Passwords and seal key stay the
same if the volume STACK-files exists; otherwise they are generated, and the verb says so.`,
  options: [{ flags: "--dry-run", description: "only say what would be done" }],
  examples: ["pgstead recover --stack prod --dry-run", "pgstead recover --stack prod --yes"],
  writes: true,
  async run(context, { options }) {
    const [root, name] = [await context.root(), await context.stack()];
    const stack = await context.dockerStack();
    if (!stack) throw mistake(`stack "${name}" has no volumes: its engine is not "docker"`);
    const { prepareDeployment } = await import("../stack/pulumi/run-pulumi.ts");
    const { findRemains, recover: run } = await import("../stack/steps/recover.ts");
    const note = (line: string) => context.note(line);
    const pulumi = await prepareDeployment(root, name, note);
    const found = await findRemains(stack, pulumi);
    const { keys: _secret, ...remains } = found;
    if (options.dryRun) {
      return context.print({ ...remains, dryRun: true }, () => describeRemains(remains));
    }
    note(describeRemains(remains));
    if (!context.yes) {
      throw mistake("this stops the server for about ten seconds; repeat the command with --yes");
    }
    const code = await run(stack, pulumi, found, note);
    if (code !== ExitCode.fine) return code;
    context.print(remains, `stack "${name}" is in this state again`);
  },
};

function describeRemains({ volume, containers, hasKeys }: Remains): string {
  const keys = hasKeys
    ? "passwords and seal key stay the same"
    : "passwords and seal key are lost: new ones are generated, applications need the new URLs, and older backups count as sealed with another stack's key";
  const replaced = containers.length > 0 ? containers.join(", ") : "none";
  return `data: volume "${volume}"; containers to replace: ${replaced}; ${keys}`;
}
