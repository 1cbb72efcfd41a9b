import { relative, resolve, sep } from "node:path";
import type { Context } from "../context.ts";
import { splitVerb } from "../verb.ts";
import { approvalOf, approvalOptions, runOptions, waitOptions } from "./migrate-options.ts";

export const migrateRun = splitVerb({
  name: "migrate run",
  where: "split",
  group: "migrate",
  summary: "run one file of the migrations, whatever its place in the order",
  args: "<file>",
  options: [
    {
      flags: "--force",
      description: "run it again although it was applied; clean up what it did first",
    },
    ...approvalOptions,
    ...waitOptions,
  ],
  examples: [
    "pgstead migrate run 0004_backfill.sql",
    "pgstead migrate run ./migrations/0004_backfill.sql",
    "pgstead migrate run 0004_backfill.sql --force",
  ],
  writes: true,
  async answer(context, call) {
    const { runFile } = await import("../../operate/migrate/run/run-file.ts");
    return runFile(await context.settings(), call.args[0] as string, {
      ...runOptions(context, call),
      ...approvalOf(call),
      force: Boolean(call.options.force),
    });
  },
  async run(context, { args }, ask) {
    const result = await ask({ args: [await belowFolder(context, args[0] as string)] });
    context.print(result, () => `ran ${result.version}: ${result.statements} statements`);
  },
});

/** A path of this machine, seen from the folder of migrations, which goes along to the agent. */
async function belowFolder(context: Context, name: string): Promise<string> {
  const { folder } = (await context.checkoutSettings()).migrations;
  const path = resolve(name);
  return path.startsWith(folder + sep) ? relative(folder, path) : name;
}
