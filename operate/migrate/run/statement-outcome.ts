import type { Client } from "pg";
import type { Statement } from "../sql/statements.ts";
import { dropFailedBuild, findIndexOutcome } from "./index-build.ts";
import type { IndexIntent, Intent, Outcome, ReindexIntent } from "./intent.ts";
import { dropLeftovers } from "./reindex.ts";

/**
 * S8: reads from the catalog whether a statement ran that was recorded before it started. Statements
 * that are harmless to repeat (VACUUM, REINDEX) run again, a REINDEX after its leftovers are dropped.
 */
export async function findOutcome(
  client: Client,
  intent: Intent,
  statement: Statement,
): Promise<Outcome> {
  if (intent.kind === "unknowable") return "unclear";
  if (intent.index) return findIndexOutcome(client, intent.index);
  if (statement.type === "DropStmt") return findDropOutcome(client, statement);
  if (statement.type === "AlterTableStmt") return findDetachOutcome(client, statement);
  if (intent.reindex) return "half-reindexed";
  return "again";
}

/** Cleans up or completes what an interrupted statement left. */
export async function repairOutcome(
  client: Client,
  outcome: Exclude<Outcome, "unclear">,
  intent: Intent,
  statement: Statement,
): Promise<"again" | "done"> {
  switch (outcome) {
    case "half-built":
      await dropFailedBuild(client, intent.index as IndexIntent);
      return "again";
    case "half-reindexed":
      await dropLeftovers(client, intent.reindex as ReindexIntent);
      return "again";
    case "half-detached":
      await finalizeDetach(client, statement);
      return "done";
    default:
      return outcome;
  }
}

interface Objects {
  objects: { List: { items: { String: { sval: string } }[] } }[];
}

async function findDropOutcome(client: Client, { node }: Statement): Promise<Outcome> {
  for (const { List } of (node as unknown as Objects).objects) {
    const name = List.items.map(({ String: { sval } }) => client.escapeIdentifier(sval)).join(".");
    const { rows } = await client.query("select to_regclass($1) is not null as found", [name]);
    // An interrupted drop leaves the index invalid, and the drop can be repeated.
    if (rows[0].found) return "again";
  }
  return "done";
}

interface Range {
  schemaname?: string;
  relname: string;
}

/** A detach that was interrupted in its second phase cannot be repeated: it must be finalized. */
async function findDetachOutcome(client: Client, statement: Statement): Promise<Outcome> {
  const { rows } = await client.query(
    `select inhdetachpending as pending from pg_inherits
     where inhparent = to_regclass($1) and inhrelid = to_regclass($2)`,
    readDetach(client, statement),
  );
  if (rows.length === 0) return "done";
  return rows[0].pending ? "half-detached" : "again";
}

async function finalizeDetach(client: Client, statement: Statement): Promise<void> {
  const [parent, child] = readDetach(client, statement);
  await client.query(`alter table ${parent} detach partition ${child} finalize`);
}

/** The names of the parent and of its partition. */
function readDetach(client: Client, { node }: Statement): string[] {
  const cmd = (node.cmds as { AlterTableCmd: { def: { PartitionCmd: { name: Range } } } }[])[0];
  return [node.relation as Range, cmd?.AlterTableCmd.def.PartitionCmd.name].map((range) =>
    [range?.schemaname, range?.relname ?? ""]
      .filter((part) => part !== undefined)
      .map((part) => client.escapeIdentifier(part))
      .join("."),
  );
}
