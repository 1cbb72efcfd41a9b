import { readFileSync } from "node:fs";
import { ExitCode } from "../../operate/error.ts";
import { saveFile } from "../save-file.ts";
import { splitVerb } from "../verb.ts";

export const migrateSchema = splitVerb({
  name: "migrate schema",
  where: "split",
  group: "migrate",
  summary: "write the live schema as one SQL file, which is the same for the same schema",
  options: [
    { flags: "--out <file>", description: "write it to this file instead of stdout" },
    { flags: "--check <file>", description: "compare with this file; exit 2 if it differs" },
  ],
  examples: [
    "pgstead migrate schema --out schema.sql",
    "pgstead migrate schema --check schema.sql",
  ],
  async answer(context) {
    const { schemaText } = await import("../../operate/migrate/schema/schema-file.ts");
    return schemaText(await context.settings());
  },
  async run(context, { options }, ask) {
    const { check: file, out } = options as { check?: string; out?: string };
    const wanted = file === undefined ? undefined : readFileSync(file, "utf8");
    const result = await ask();
    if (wanted !== undefined) {
      const same = wanted === result.sql;
      context.print({ file, same }, same ? `${file} is up to date` : `${file} differs`);
      return same ? ExitCode.fine : ExitCode.pending;
    }
    if (out === undefined || out === "-") context.print(result, result.sql.trimEnd());
    else {
      await saveFile(out, async (target) => void target.write(result.sql));
      const { database, left } = result;
      context.print({ database, file: out, left }, "");
    }
    for (const name of result.left) context.note(`named and not written: ${name}`);
    return ExitCode.fine;
  },
});
