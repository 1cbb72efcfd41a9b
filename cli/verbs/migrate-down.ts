import type { DownResult } from "../../operate/migrate/run/undo-applied.ts";
import type { Verb } from "../verb.ts";
import { approvalOf, approvalOptions, moveOf, moveOptions } from "./migrate-options.ts";

export const migrateDown: Verb = {
  name: "migrate down",
  where: "agent",
  group: "migrate",
  summary: "undo the newest migrations, by the down parts of their files",
  args: "[count]",
  options: [
    { flags: "--to <version>", description: "undo what came after this version; `base`: all" },
    { flags: "--plan", description: "only list what would be undone, newest first" },
    ...approvalOptions,
    ...moveOptions,
  ],
  examples: [
    "pgstead migrate down",
    "pgstead migrate down --to 0002_documents",
    "pgstead migrate down --to base --plan",
    'pgstead migrate down --approved-by "Ada Lovelace" --reason "release 14 rolled back"',
  ],
  writes: true,
  async run(context, call) {
    const { undoApplied } = await import("../../operate/migrate/run/undo-applied.ts");
    const result = await undoApplied(await context.settings(), {
      ...moveOf(context, call),
      ...approvalOf(call),
      plan: Boolean(call.options.plan),
    });
    context.print(result, () => describe(result));
  },
};

function describe({ database, planned, undone, schemaVersion }: DownResult): string {
  if (planned?.length) {
    return `would undo ${planned.length} in "${database}", in this order: ${planned.join(", ")}`;
  }
  return undone.length === 0
    ? `nothing to undo in "${database}"`
    : `undid ${undone.length} in "${database}", now at ${schemaVersion ?? "the beginning"}`;
}
