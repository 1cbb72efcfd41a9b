import * as z from "zod";
import { migrationFields } from "../agent-fields.ts";
import { RUN_ON } from "../choices.ts";
import { DEFAULTS } from "../defaults.ts";
import { text } from "../fields.ts";
import { folder } from "../verb-fields.ts";

export const migrations = z
  .strictObject({
    folder,
    ...migrationFields,
    runOn: z
      .enum(RUN_ON)
      .default(DEFAULTS.migrations.runOn)
      .describe("Run the migration step on each `up`, or only when something is pending."),
    command: text
      .optional()
      .describe("Shell command of another migrator, like `alembic upgrade head`."),
    image: text.optional().describe("Image in which `command` runs, on the stack's network."),
    urlVariable: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
      .default("DATABASE_URL")
      .describe("Environment variable from which `command` reads the URL."),
    urlScheme: text.default("postgresql").describe("Scheme of that URL."),
  })
  .refine(({ command, image }) => !command === !image, {
    error: "command and image, both or neither",
  })
  .prefault({})
  .describe("How the SQL files reach the database.");
