import type { Client } from "pg";
import { asPgstead, resolveName } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import type { Statement } from "../sql/statements.ts";
import { dropFailedBuild, findIndexOutcome } from "./index-build.ts";
import type { IndexIntent, Intent, Outcome, ReindexIntent } from "./intent.ts";
import { dropLeftovers } from "./reindex.ts";

/**
 * S8: reads from the catalog whether a statement ran that was recorded before it started. Statements
 * that are harmless to repeat (VACUUM, REINDEX) run again, a REINDEX after its leftovers are dropped.
 */
export async function findOutcome(
  runner: Runner,
  intent: Intent,
  statement: Statement,
): Promise<Outcome> {
  if (intent.kind === "unknowable") return "unclear";
  if (intent.index) return findIndexOutcome(runner, intent.index);
  if (statement.type === "DropStmt") return findDropOutcome(runner, statement);
  if (statement.type === "AlterTableStmt") return findDetachOutcome(runner, statement);
  if (intent.reindex) return "half-reindexed";
  return "again";
}

/** Cleans up or completes what an interrupted statement left. */
export async function repairOutcome(
  runner: Runner,
  outcome: Exclude<Outcome, "unclear">,
  intent: Intent,
  statement: Statement,
): Promise<"again" | "done"> {
  switch (outcome) {
    case "half-built":
      await dropFailedBuild(runner, intent.index as IndexIntent);
      return "again";
    case "half-reindexed":
      await dropLeftovers(runner, intent.reindex as ReindexIntent);
      return "again";
    case "half-detached":
      await finalizeDetach(runner.client, statement);
      return "done";
    default:
      return outcome;
  }
}

interface Objects {
  objects: { List: { items: { String: { sval: string } }[] } }[];
}

async function findDropOutcome({ client }: Runner, { node }: Statement): Promise<Outcome> {
  for (const { List } of (node as unknown as Objects).objects) {
    const name = List.items.map(({ String: { sval } }) => client.escapeIdentifier(sval)).join(".");
    // An interrupted drop leaves the index invalid, and the drop can be repeated.
    if ((await resolveName(client, name)) !== null) return "again";
  }
  return "done";
}

interface Range {
  schemaname?: string;
  relname: string;
}

/** A detach that was interrupted in its second phase cannot be repeated: it must be finalized. */
async function findDetachOutcome(
  { client, settings }: Runner,
  statement: Statement,
): Promise<Outcome> {
  const oids: (number | null)[] = [];
  for (const name of readDetach(client, statement)) oids.push(await resolveName(client, name));
  const { rows } = await asPgstead(client, settings, () =>
    client.query(
      `select inhdetachpending as pending from pg_inherits
       where inhparent = $1::oid and inhrelid = $2::oid`,
      oids,
    ),
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
