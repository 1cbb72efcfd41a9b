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
    ...approvalOptions,
    ...moveOptions,
  ],
  examples: [
    "pgstead migrate down",
    "pgstead migrate down --to 0002_documents",
    'pgstead migrate down --approved-by "Ada Lovelace" --reason "release 14 rolled back"',
  ],
  writes: true,
  async run(context, call) {
    const { undoApplied } = await import("../../operate/migrate/run/undo-applied.ts");
    const result = await undoApplied(await context.settings(), {
      ...moveOf(context, call),
      ...approvalOf(call),
    });
    const { database, undone, schemaVersion } = result;
    context.print(result, () =>
      undone.length === 0
        ? `nothing to undo in "${database}"`
        : `undid ${undone.length} in "${database}", now at ${schemaVersion ?? "the beginning"}`,
    );
  },
};
