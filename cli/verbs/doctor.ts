import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const doctor: Verb = {
  name: "doctor",
  where: "here",
  group: "look",
  summary: "what this machine and checkout have and lack; exit 2 if something is missing",
  examples: ["pgstead doctor", "pgstead doctor --stack prod --json"],
  async run(context) {
    const { examine } = await import("../doctor/examine.ts");
    const findings = await examine(await context.root(), await context.stack());
    context.print({ findings }, () =>
      findings
        .flatMap(({ name, state, detail, fix }) => [
          `${state.padEnd(7)} ${name}: ${detail}`,
          ...(fix ? [`        ${fix}`] : []),
        ])
        .join("\n"),
    );
    return findings.some(({ state }) => state === "missing") ? ExitCode.pending : ExitCode.fine;
  },
};
