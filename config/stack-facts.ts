import type * as z from "zod";
import { PREFIX } from "./prefix.ts";
import { flatFields, folder, serverFields } from "./verb-fields.ts";

/**
 * What the object `config` of a stack's file says about its database, for verbs that work without Pulumi.
 * A wrong or encrypted value counts as left out, so that a verb works on a file with mistakes.
 */
export function readStackFacts(config: Record<string, unknown> = {}) {
  const { engine, protect, database } = flatFields;
  const { version, base, superuser } = serverFields;
  const flat = (name: string) => {
    const value = config[PREFIX + name];
    return value === undefined ? undefined : String(value);
  };
  const postgres = readSection(config[`${PREFIX}postgres`]);
  const migrations = readSection(config[`${PREFIX}migrations`]);
  return {
    engine: readValue(engine, flat("engine")),
    isProtected: readValue(protect, flat("protect")),
    database: readValue(database, flat("database")),
    version: readValue(version, postgres.version),
    base: readValue(base, postgres.base),
    superuser: readValue(superuser, postgres.superuser),
    migrations: readValue(folder, migrations.folder),
  };
}

function readValue<Value>(field: z.ZodDefault<z.ZodType<Value>>, value: unknown): Value {
  const parsed = field.safeParse(value);
  return (parsed.success ? parsed.data : field.parse(undefined)) as Value;
}

/** A section is an object, or JSON as `pulumi config set` writes it. */
function readSection(value: unknown): Record<string, unknown> {
  if (typeof value === "object") return { ...value };
  try {
    return { ...JSON.parse(String(value)) };
  } catch {
    return {};
  }
}
