import { ExitCode } from "../../operate/error.ts";
import { programFile } from "../../operate/program-file.ts";
import type { Verb } from "../verb.ts";

export const serve: Verb = {
  name: "serve",
  where: "here",
  group: "started by the stack itself",
  summary: "run the background work: the agent's schedule, or the embedded server",
  options: [
    { flags: "--detach", description: "in a process of its own; returns once it is healthy" },
    {
      flags: "--healthy",
      description: "ask the agent that runs here; exit 2 if the newest proven backup is too old",
    },
  ],
  examples: ["pgstead serve", "pgstead serve --detach"],
  async run(context, { options }) {
    const containers = options.healthy ? await context.dockerStack() : undefined;
    if (containers) {
      const { inherit } = await import("../stack/docker/inherit.ts");
      const verb = ["pgstead", "serve", "--healthy", ...(context.json ? ["--json"] : [])];
      return (await inherit(containers.env, ["exec", containers.agent, ...verb])) as ExitCode;
    }
    const settings = await context.settings();
    if (options.detach) {
      const { ensureServer } = await import("../../operate/embedded/start-stop.ts");
      const outcome = await ensureServer(settings, serveCommand(await context.settingsFile()));
      context.print({ outcome }, outcome);
      return;
    }
    if (options.healthy) {
      const { fetchHealth } = await import("../../operate/agent/fetch-health.ts");
      const { fresh, answer } = await fetchHealth(settings);
      context.print(answer, JSON.stringify(answer));
      return fresh ? ExitCode.fine : ExitCode.pending;
    }
    if (settings.engine !== "embedded") {
      const { serveAgent } = await import("../../operate/agent/serve-agent.ts");
      const file = await context.settingsFile();
      await serveAgent(settings, file, (verb) => selfCommand(verb, file));
      return;
    }
    const { serveEmbedded } = await import("../../operate/embedded/embedded-server.ts");
    const file = await context.settingsFile();
    await serveEmbedded(settings, async (signal) => {
      if (!settings.backups) return;
      const { runSchedule } = await import("../../operate/agent/serve-agent.ts");
      await runSchedule(settings, file, (verb) => selfCommand(verb, file), signal);
    });
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
  programFile(),
  ...verb,
  "--settings",
  settingsFile,
];
