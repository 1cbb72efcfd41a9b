import type { Client } from "pg";
import type { Statement } from "../sql/statements.ts";
import { type Fate, fateOfIndex } from "./index-build.ts";
import type { Intent } from "./intent.ts";

/**
 * Whether a statement that was about to run when the record breaks off did run, read from the catalog.
 * What is harmless to repeat (VACUUM, REINDEX) is repeated.
 */
export async function fateOf(client: Client, intent: Intent, statement: Statement): Promise<Fate> {
  if (intent.kind === "unknowable") return "unclear";
  if (intent.index) return fateOfIndex(client, intent.index);
  if (statement.type === "DropStmt") return fateOfDrop(client, statement);
  if (statement.type === "AlterTableStmt") return fateOfDetach(client, statement);
  return "again";
}

interface Objects {
  objects: { List: { items: { String: { sval: string } }[] } }[];
}

async function fateOfDrop(client: Client, { node }: Statement): Promise<Fate> {
  for (const { List } of (node as unknown as Objects).objects) {
    const name = List.items.map(({ String: { sval } }) => client.escapeIdentifier(sval)).join(".");
    const { rows } = await client.query("select to_regclass($1) is not null as stands", [name]);
    // A drop that was cut off leaves the index invalid but there, and may be repeated.
    if (rows[0].stands) return "again";
  }
  return "done";
}

/** A detach that was cut off in its second half refuses to be repeated: it wants to be finalized. */
async function fateOfDetach(client: Client, { text, node }: Statement): Promise<Fate> {
  const cmd = (node.cmds as { AlterTableCmd: { def: { PartitionCmd: { name: Range } } } }[])[0];
  const [parent, child] = [node.relation as Range, cmd?.AlterTableCmd.def.PartitionCmd.name].map(
    (range) =>
      [range?.schemaname, range?.relname ?? ""]
        .filter((part) => part !== undefined)
        .map((part) => client.escapeIdentifier(part))
        .join("."),
  );
  const { rows } = await client.query(
    `select inhdetachpending as pending from pg_inherits
     where inhparent = to_regclass($1) and inhrelid = to_regclass($2)`,
    [parent, child],
  );
  if (rows.length === 0) return "done";
  if (!rows[0].pending) return "again";
  await client.query(text.replace(/concurrently\s*;?\s*$/i, "finalize"));
  return "done";
}

interface Range {
  schemaname?: string;
  relname: string;
}
