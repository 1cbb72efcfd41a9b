import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mistake } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const logs: Verb = {
  name: "logs",
  where: "here",
  group: "look",
  summary: "the server's log",
  options: [
    { flags: "-n, --lines <count>", description: "how many lines from the end", default: "100" },
    { flags: "-f, --follow", description: "print new lines as they come" },
  ],
  examples: ["pgstead logs", "pgstead logs -n 20 --follow"],
  async run(context, { options }) {
    const lines = String(options.lines);
    if (!/^\d{1,9}$/.test(lines)) throw mistake(`--lines must be a whole number, got "${lines}"`);
    const stack = await context.dockerStack();
    if (stack) {
      const { logsOfContainer } = await import("../stack/docker/server-container.ts");
      await logsOfContainer(stack, lines, Boolean(options.follow));
      return;
    }
    const { requireEmbeddedFolder } = await import("../../operate/connect/embedded-folder.ts");
    const { paths } = await import("../../operate/connect/embedded-paths.ts");
    const file = paths.log(requireEmbeddedFolder(await context.settings()));
    if (!existsSync(file)) throw mistake(`there is no log yet: ${file}`);
    const args = ["-n", lines, ...(options.follow ? ["-F"] : []), file];
    const tail = spawn("tail", args, { stdio: "inherit" });
    await new Promise((resolve, reject) => tail.once("close", resolve).once("error", reject));
  },
};
