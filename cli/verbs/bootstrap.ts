import type { Verb } from "../verb.ts";

export const bootstrap: Verb = {
  name: "bootstrap",
  where: "agent",
  group: "started by the stack itself",
  summary: "set roles, their passwords, privileges and extensions; part of each `up`",
  examples: ["pgstead bootstrap", "pgstead bootstrap --stack prod --json"],
  writes: true,
  async run(context) {
    const { bootstrapServer: run } = await import("../../operate/bootstrap/bootstrap-server.ts");
    const result = await run(await context.settings());
    context.print(result, () =>
      result.changed.length === 0
        ? "roles, privileges and extensions are as they should be"
        : `set: ${result.changed.join(", ")}`,
    );
  },
};
