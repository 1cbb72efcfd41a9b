import * as z from "zod";
import { BASES, ENGINES, MAJORS } from "./choices.ts";
import { DEFAULTS } from "./defaults.ts";
import { booleanText, identifier, text } from "./fields.ts";

/*
 * Fields that verbs read from the stack's file without Pulumi. They are apart from their sections because
 * all of the schema would cost each verb 30 ms.
 */

export const flatFields = {
  engine: z
    .enum(ENGINES)
    .default(DEFAULTS.engine)
    .describe(
      "Where the database runs. `embedded` needs nothing but Node; `docker` runs it in a container.",
    ),
  protect: booleanText
    .default(true)
    .describe(
      "Refuse to delete the data, ask for a proven backup and an approval before what can lose data, and let psql only read.",
    ),
  database: identifier.default(DEFAULTS.database).describe("Name of the database."),
};

export const serverFields = {
  version: z.coerce
    .string()
    .regex(new RegExp(`^(${MAJORS.join("|")})(\\.\\d+)?$`), {
      error: `${MAJORS.join(", ")}, or a minor of theirs, like 18.1`,
    })
    .default(DEFAULTS.postgres.version)
    .describe(`Major version, ${MAJORS.join(" or ")}, or major and minor, like 18.1.`),
  base: z
    .enum(BASES)
    .default(DEFAULTS.postgres.base)
    .describe("Distribution of the image. It cannot change once the cluster exists."),
  superuser: identifier
    .default(DEFAULTS.postgres.superuser)
    .describe("Name of the superuser. It has no password."),
};

export const folder = text
  .default(DEFAULTS.migrations.folder)
  .describe("Folder of the SQL files, relative to the project.");
