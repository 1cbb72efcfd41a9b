import type { Verb } from "../verb.ts";
import { approvalOf, approvalOptions, runOptions, waitOptions } from "./migrate-options.ts";

export const migrateStamp: Verb = {
  name: "migrate stamp",
  where: "agent",
  aliases: ["baseline"],
  group: "migrate",
  summary: "record migrations as applied without running them",
  args: "<version>",
  options: [
    { flags: "--only", description: "only this version; accepts an edited file as it is" },
    { flags: "--forget", description: "take this version out of the history" },
    ...approvalOptions,
    ...waitOptions,
  ],
  examples: [
    "pgstead migrate stamp head",
    "pgstead migrate stamp 0003_audit_log",
    "pgstead migrate stamp 0002_documents --only",
  ],
  writes: true,
  async run(context, call) {
    const { stamp } = await import("../../operate/migrate/run/stamp.ts");
    const result = await stamp(await context.settings(), call.args[0] as string, {
      ...runOptions(context, call),
      ...approvalOf(call),
      only: Boolean(call.options.only),
      forget: Boolean(call.options.forget),
    });
    const { recorded, forgotten } = result;
    context.print(result, () =>
      [
        `recorded as applied: ${recorded.join(", ") || "nothing new"}`,
        ...(forgotten.length > 0 ? [`no longer applied: ${forgotten.join(", ")}`] : []),
      ].join("\n"),
    );
  },
};
