import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import type { Settings } from "../../settings.ts";
import { readHistory } from "../history/history.ts";
import type { SchemaObject } from "./schema-object.ts";
import { readSchema, toSql } from "./snapshot.ts";

export interface SchemaText {
  database: string;
  sql: string;
  /** Objects that the file names without their SQL. */
  left: string[];
}

const HEADING =
  "-- The schema as it is, written by `pgstead migrate schema`. Owners and the privileges of roles are\n-- not in it.";

/** The live schema as one text, so that a review sees what a migration changes. */
export async function schemaText(settings: Settings, heading = HEADING): Promise<SchemaText> {
  const objects = await readLiveSchema(settings);
  return {
    database: settings.database.name,
    sql: toSql(objects, heading),
    left: objects.filter(({ sql }) => sql === null).map(({ name }) => name),
  };
}

/** Leaves out the tables in which other migration tools keep their history. */
export function readLiveSchema(settings: Settings): Promise<SchemaObject[]> {
  return withSession(settings, { purpose: "migrate schema" }, async (client) => {
    const { layout } = await readHistory(client);
    return readSchema(client, layout > 0 ? await foreignHistories(client) : []);
  });
}

async function foreignHistories(client: Client): Promise<string[]> {
  const { rows } = await client.query(
    `select distinct note->>'table' as name
     from pgstead.schema_migrations, jsonb_array_elements(approvals) note where note ? 'table'`,
  );
  return rows.map(({ name }) => name);
}
