import { mistake } from "../../operate/error.ts";
import type { Verb } from "../verb.ts";

const ELSEWHERE =
  'the differences are found on this machine, and this stack\'s database is in a container; the files are the same for every stack: add "--stack local", once "pgstead up --stack local" has been run';

export const migrateNew: Verb = {
  name: "migrate new",
  where: "here",
  group: "migrate",
  summary: "write a new migration file, numbered and laid out like the newest",
  args: "<name>",
  options: [
    {
      flags: "--from <schema>",
      description:
        "fill it with the changes that lead to this schema: a SQL file, or a postgres:// address (password in PGPASSWORD)",
    },
  ],
  examples: [
    'pgstead migrate new "add users table"',
    "pgstead migrate new users --from wanted.sql",
    "pgstead migrate new users --from postgres://ada@127.0.0.1:5432/prototype",
  ],
  async run(context, { args, options }) {
    const settings = await context.checkoutSettings();
    const name = args[0] as string;
    if (options.from) {
      if (await context.dockerStack()) throw mistake(ELSEWHERE);
      const { createFromSchema } = await import("../../operate/migrate/schema/new-from.ts");
      const result = await createFromSchema(settings, name, String(options.from));
      context.print(result, result.paths.join("\n"));
      for (const line of result.left) context.note(`write by hand: ${line}`);
      return;
    }
    const { createMigration } = await import("../../operate/migrate/files/create-migration.ts");
    const result = createMigration(settings, name);
    context.print(result, result.paths.join("\n"));
  },
};
