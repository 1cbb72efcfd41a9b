import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const serve: Verb = {
  name: "serve",
  group: "care",
  summary: "run the stack's background work here: the agent's schedules, or the embedded server",
  options: [
    { flags: "--detach", description: "in a process of its own; returns once it is healthy" },
  ],
  examples: ["pgstead serve", "pgstead serve --detach"],
  async run(context, { options }) {
    const settings = await context.settings();
    if (options.detach) {
      const { ensureServer } = await import("../../operate/embedded/lifecycle.ts");
      const outcome = await ensureServer(settings, serveCommand(await context.settingsFile()));
      context.print({ outcome }, outcome);
      return;
    }
    if (settings.engine !== "embedded") {
      const { serveAgent } = await import("../../operate/serve.ts");
      const file = await context.settingsFile();
      await serveAgent(settings, (verb) => selfCommand(verb, file));
      return;
    }
    const { serveEmbedded } = await import("../../operate/embedded/server.ts");
    await serveEmbedded(settings);
    // PGlite leaves handles open that would keep the process alive.
    process.exit(ExitCode.fine);
  },
};

/** This very program again. */
export function serveCommand(settingsFile: string): string[] {
  return selfCommand(["serve"], settingsFile);
}

const selfCommand = (verb: string[], settingsFile: string) => [
  process.execPath,
  process.argv[1] as string,
  ...verb,
  "--settings",
  settingsFile,
];
