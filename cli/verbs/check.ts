import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const check: Verb = {
  name: "check",
  where: "agent",
  group: "look",
  summary: "health, extension and the checks of the configuration; exit 2 if one fails",
  examples: ["pgstead check", "pgstead check --json"],
  async run(context) {
    const { runChecks } = await import("../../operate/checks/run-checks.ts");
    const results = await runChecks(await context.settings());
    context.print({ checks: results }, () =>
      results
        .map(({ name, passed, detail }) => `${passed ? "ok    " : "FAILED"} ${name}: ${detail}`)
        .join("\n"),
    );
    return results.every(({ passed }) => passed) ? ExitCode.fine : ExitCode.pending;
  },
};
