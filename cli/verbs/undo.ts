import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const undo: Verb = {
  name: "undo",
  where: "here",
  group: "change with a way back",
  summary:
    "run the server from before the last change again, its image and settings; data stays as it is",
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
    const { findPreviousConfig } = await import("../stack/steps/previous-config.ts");
    const image = await previousImage(stack);
    const { keys, isOtherImage } = (await findPreviousConfig(stack.env, name)) ?? {
      keys: {},
      isOtherImage: true,
    };
    const file = `Pulumi.${name}.yaml`;
    const written = { ...keys, ...(isOtherImage && { "postgres.image": image }) };
    const lines = Object.entries(written).map(([key, value]) => describeLine(key, value));
    if (options.dryRun) {
      const outcome = `would write ${lines.join(", ")} to ${file} and run "pgstead up --stack ${name}"`;
      return context.print({ image, keys, dryRun: true }, outcome);
    }
    if (isOtherImage) await pinImage(stack, image);
    const { writeStackFile } = await import("../stack/stack-file.ts");
    for (const [key, value] of Object.entries(written)) {
      const [section, ...path] = key.split(".");
      writeStackFile(root, name, [`pgstead:${section}`, ...path], value);
    }
    context.note(`${lines.join(", ")} is now in ${file}: commit this`);
    const { prepareDeployment } = await import("../stack/pulumi/run-pulumi.ts");
    const { bringUp } = await import("../stack/steps/bring-up.ts");
    const note = (line: string) => context.note(line);
    const run = await prepareDeployment(root, name, note);
    const yes = context.yes ? ["--yes", "--skip-preview"] : [];
    const code = await bringUp(run, yes, note);
    if (code !== ExitCode.fine) return code;
    if (!isOtherImage) return;
    context.note(
      `to change the image later: repair what was wrong, remove postgres.image from ${file}, and "pgstead up"`,
    );
  },
};

function describeLine(key: string, value: unknown): string {
  if (value === null) return `no pgstead:${key}`;
  return `pgstead:${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`;
}
