import type { Verb } from "../verb.ts";

export const finish: Verb = {
  name: "finish",
  where: "here",
  group: "change with a way back",
  summary: "end the last change: forget the image and settings from before it, so undo is over",
  options: [{ flags: "--dry-run", description: "say what would be done" }],
  examples: ["pgstead finish --stack prod", "pgstead finish --stack prod --dry-run"],
  writes: true,
  async run(context, { options }) {
    const images = await import("../stack/steps/previous-image.ts");
    const stack = await context.dockerStack();
    if (!stack) throw images.notInContainers(await context.stack());
    const image = await images.previousImage(stack);
    if (options.dryRun) return context.print({ image, dryRun: true }, `would forget ${image}`);
    await images.releasePrevious(stack);
    context.print({ image }, `forgot ${image}`);
  },
};
