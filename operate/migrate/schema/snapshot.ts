import type { Client } from "pg";
import { sortByDependency } from "./dependencies.ts";
import * as relations from "./relations.ts";
import * as routines from "./routines.ts";
import type { SchemaObject } from "./schema-object.ts";

/** The order in which a schema is built, as far as dependencies leave a choice. */
const kinds = [
  routines.schemas,
  routines.extensions,
  routines.types,
  relations.sequences,
  routines.functions,
  relations.tables,
  relations.views,
  relations.attachments,
  relations.ownedSequences,
  relations.constraints,
  relations.indexes,
  relations.foreignKeys,
  relations.tableSettings,
  routines.triggers,
  routines.publicPrivileges,
  routines.comments,
  routines.namedOnly,
];

/** All objects of the database except the system's, pgstead's own, and the tables in `leaveOut`. */
export async function readSchema(
  client: Client,
  leaveOut: readonly string[] = [],
): Promise<SchemaObject[]> {
  // An empty search_path makes Postgres write qualified names.
  await client.query("begin isolation level repeatable read read only");
  try {
    await client.query("set local search_path = ''");
    const objects: SchemaObject[] = [];
    for (const query of kinds) {
      const { rows } = await client.query<SchemaObject>(`${relations.MINE} ${query}`);
      rows.sort((a, b) => (a.name < b.name ? -1 : 1));
      objects.push(
        ...rows.map((row) => ({ ...row, sql: row.sql?.replaceAll("\r\n", "\n") ?? null })),
      );
    }
    return sortByDependency(client, omitTables(objects, leaveOut));
  } finally {
    await client.query("rollback");
  }
}

/** Their indexes, constraints, sequences and the like go too: `x on public.schema_migrations`. */
function omitTables(objects: SchemaObject[], leaveOut: readonly string[]): SchemaObject[] {
  if (leaveOut.length === 0) return objects;
  const names = leaveOut.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
  const mentions = new RegExp(`(?:^| |ON |TABLE |BY )(?:${names})(?:$|[ .(;])`);
  const sequences = new Set(
    objects
      .filter(({ kind, sql }) => kind === "sequence owner" && mentions.test(sql ?? ""))
      .map(({ name }) => name),
  );
  return objects.filter(({ kind, name, sql }) => {
    if (sequences.has(name)) return false;
    const subject = [
      "index",
      "constraint",
      "table",
      "trigger",
      "comment",
      "sequence owner",
      "table setting",
      "privilege",
    ].includes(kind);
    return !(subject && (mentions.test(name) || (kind === "index" && mentions.test(sql ?? ""))));
  });
}

/** Equal schemas make equal text, so that the file can be under version control. */
export function toSql(objects: SchemaObject[], heading: string): string {
  const left = objects
    .filter(({ sql }) => sql === null)
    .map(({ name }) => `-- not written here: ${name}\n`);
  const body = objects
    .filter(({ sql, name, kind }) => sql !== null && !(kind === "schema" && name === "public"))
    .map(({ sql }) => `${sql};\n`);
  return [
    `${heading}\n`,
    ...(left.length > 0 ? [left.join("")] : []),
    "SET LOCAL check_function_bodies = off;\nSET LOCAL search_path = '';\n",
    ...body,
  ].join("\n");
}
