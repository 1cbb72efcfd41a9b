import { ExitCode } from "../../operate/error.ts";
import type { Context } from "../context.ts";
import type { Verb } from "../verb.ts";

export const status: Verb = {
  name: "status",
  group: "look",
  summary: "server, versions, size, migrations at a glance",
  examples: ["pgstead status", "pgstead status --json"],
  async run(context) {
    await noteOpenChange(context);
    const { readStatus } = await import("../../operate/inspect/read-status.ts");
    const result = await readStatus(await context.settings());
    context.print(result, () =>
      result.sections
        .map(({ title, state, lines }) =>
          [`${title}: ${state}`, ...lines.map((line) => `  ${line}`)].join("\n"),
        )
        .join("\n"),
    );
    if (result.sections.some(({ state }) => state === "down")) return ExitCode.unreachable;
    return result.sections.every(({ state }) => state === "ok") ? ExitCode.fine : ExitCode.pending;
  },
};

/** Known to the engine only, which the agent cannot ask. */
async function noteOpenChange(context: Context): Promise<void> {
  const containers = await context.dockerStack();
  if (!containers) return;
  const { findPrevious } = await import("../stack/steps/previous-image.ts");
  if (await findPrevious(containers)) {
    context.note(
      'open change of image: "pgstead undo" goes back to the one before, "pgstead finish" lets go of it',
    );
  }
}
