import type { Verb } from "../verb.ts";
import { serveCommand } from "./serve.ts";

export const restart: Verb = {
  name: "restart",
  where: "here",
  group: "care",
  summary: "stop the database cleanly and start it again",
  examples: ["pgstead restart"],
  writes: true,
  async run(context) {
    const stack = await context.dockerStack();
    if (stack) {
      const { restartContainer } = await import("../stack/docker/server-container.ts");
      const ran = await restartContainer(stack);
      const outcome = ran ? "restarted" : "was not running; started";
      return context.print({ outcome }, outcome);
    }
    const { ensureServer, stopServer } = await import("../../operate/embedded/start-stop.ts");
    const settings = await context.settings();
    const wasRunning = await stopServer(settings);
    await ensureServer(settings, serveCommand(await context.settingsFile()));
    const outcome = wasRunning ? "restarted" : "was not running; started";
    context.print({ outcome }, outcome);
  },
};
