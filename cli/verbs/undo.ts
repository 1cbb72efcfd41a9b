import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const undo: Verb = {
  name: "undo",
  where: "here",
  group: "change with a way back",
  summary: "run the image from before the last change again; data stays as it is",
  options: [{ flags: "--dry-run", description: "say what would be done" }],
  examples: ["pgstead undo --stack prod", "pgstead undo --stack prod --dry-run"],
  writes: true,
  async run(context, { options }) {
    const { notInContainers, pinImage, previousImage } = await import(
      "../stack/steps/previous-image.ts"
    );
    const [root, name] = [await context.root(), await context.stack()];
    const stack = await context.dockerStack();
    if (!stack) throw notInContainers(name);
    const image = await previousImage(stack);
    const file = `Pulumi.${name}.yaml`;
    const said = `pgstead:postgres.image: ${image}`;
    if (options.dryRun) {
      const outcome = `would write ${said} to ${file} and run "pgstead up --stack ${name}"`;
      return context.print({ image, dryRun: true }, outcome);
    }
    await pinImage(stack, image);
    const { writeStackFile } = await import("../stack/stack-file.ts");
    writeStackFile(root, name, ["pgstead:postgres", "image"], image);
    context.note(`${said} is now in ${file}: commit this`);
    const { prepareDeployment } = await import("../stack/pulumi/run-pulumi.ts");
    const { bringUp } = await import("../stack/steps/bring-up.ts");
    const note = (line: string) => context.note(line);
    const run = await prepareDeployment(root, name, note);
    const yes = context.yes ? ["--yes", "--skip-preview"] : [];
    const code = await bringUp(run, yes, note);
    if (code !== ExitCode.fine) return code;
    context.note(
      `to change the image later: repair what was wrong, remove postgres.image from ${file}, and "pgstead up"`,
    );
  },
};
