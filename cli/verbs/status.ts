import { ExitCode } from "../../operate/error.ts";
import type { Context } from "../context.ts";
import { splitVerb } from "../verb.ts";

export const status = splitVerb({
  name: "status",
  where: "split",
  group: "look",
  summary: "server, versions, size, migrations and backups at a glance",
  examples: ["pgstead status", "pgstead status --json"],
  async answer(context) {
    const { readStatus } = await import("../../operate/inspect/read-status.ts");
    return readStatus(await context.settings());
  },
  async run(context, _call, ask) {
    await noteOpenChange(context);
    const result = await ask();
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
});

/** Only the Docker engine knows it, and the agent cannot ask the engine. */
async function noteOpenChange(context: Context): Promise<void> {
  const containers = await context.dockerStack();
  if (!containers) return;
  const { describeOpenChange } = await import("../stack/steps/previous-image.ts");
  const change = await describeOpenChange(containers);
  if (!change) return;
  context.note(
    `open change of ${change}: "pgstead undo" goes back to the one before, "pgstead finish" ends the change`,
  );
}
