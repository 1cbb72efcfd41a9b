import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const status: Verb = {
  name: "status",
  group: "look",
  summary: "server, versions, size, migrations at a glance",
  examples: ["pgstead status", "pgstead status --json"],
  async run(context) {
    const { readStatus } = await import("../../operate/inspect/status.ts");
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
