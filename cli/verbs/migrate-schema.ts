import { readFileSync, writeFileSync } from "node:fs";
import { ExitCode } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

export const migrateSchema: Verb = {
  name: "migrate schema",
  group: "migrate",
  summary: "write the live schema as one deterministic SQL file",
  options: [
    { flags: "--out <file>", description: "write it there instead of to stdout" },
    { flags: "--check <file>", description: "compare with that file; exit 2 if it differs" },
  ],
  examples: [
    "pgstead migrate schema --out schema.sql",
    "pgstead migrate schema --check schema.sql",
  ],
  async run(context, { options }) {
    const { schemaText } = await import("../../operate/migrate/schema/schema-file.ts");
    const result = await schemaText(await context.settings());
    if (typeof options.check === "string") {
      const same = readFileSync(options.check, "utf8") === result.sql;
      const file = options.check;
      context.print({ file, same }, same ? `${file} is up to date` : `${file} differs`);
      return same ? ExitCode.fine : ExitCode.pending;
    }
    if (typeof options.out === "string") writeFileSync(options.out, result.sql);
    else context.print(result, result.sql.trimEnd());
    for (const name of result.left) context.note(`named and not written: ${name}`);
    return ExitCode.fine;
  },
};
