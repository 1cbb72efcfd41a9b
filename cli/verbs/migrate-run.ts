import type { Verb } from "../verb.ts";
import { approvalOf, approvalOptions, runOptions, waitOptions } from "./migrate-options.ts";

export const migrateRun: Verb = {
  name: "migrate run",
  group: "migrate",
  summary: "run one file, whatever its place in the order",
  args: "<file>",
  options: [
    { flags: "--force", description: "again, although it was applied: only after cleaning up" },
    ...approvalOptions,
    ...waitOptions,
  ],
  examples: [
    "pgstead migrate run 0004_backfill.sql",
    "pgstead migrate run 0004_backfill.sql --force",
  ],
  writes: true,
  async run(context, call) {
    const { runFile } = await import("../../operate/migrate/run/run-file.ts");
    const result = await runFile(await context.settings(), call.args[0] as string, {
      ...runOptions(context, call),
      ...approvalOf(call),
      force: Boolean(call.options.force),
    });
    context.print(result, () => `ran ${result.version}: ${result.statements} statements`);
  },
};
