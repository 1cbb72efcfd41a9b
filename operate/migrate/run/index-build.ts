import type { Client } from "pg";
import { ExitCode, ExpectedError, refused } from "../../error.ts";
import type { Statement } from "../sql/statements.ts";
import type { IndexIntent } from "./intent.ts";

/** What became of a CREATE INDEX CONCURRENTLY whose end nobody saw. */
export type Fate = "again" | "done" | "unclear";

interface RangeVar {
  schemaname?: string;
  relname: string;
  inh?: boolean;
}

interface FoundIndex {
  oid: number;
  valid: boolean;
  building: boolean;
  name: string;
}

/** What stands in the catalog before the statement runs. */
export async function indexIntent(client: Client, statement: Statement): Promise<IndexIntent> {
  const { idxname, relation, if_not_exists } = statement.node as {
    idxname?: string;
    relation: RangeVar;
    if_not_exists?: boolean;
  };
  const name = idxname ?? null;
  const qualified = [relation.schemaname, relation.relname]
    .filter((part) => part !== undefined)
    .map((part) => client.escapeIdentifier(part))
    .join(".");
  const { rows } = await client.query("select to_regclass($1)::oid::int8::float8 as oid", [
    qualified,
  ]);
  const table: number = rows[0].oid ?? 0;
  const found = await findIndex(client, { table, name, existed: false });
  if (found && !found.valid && if_not_exists && relation.inh) {
    throw refused(
      `index ${found.name} exists and is invalid${found.building ? ", somebody is building it" : ""}; IF NOT EXISTS would pass it over as if it were there. Drop it first: DROP INDEX CONCURRENTLY ${found.name}`,
    );
  }
  return { table, name, existed: Boolean(found) };
}

/** A kill may have come before, during or after the build. */
export async function fateOfIndex(client: Client, intent: IndexIntent): Promise<Fate> {
  const found = await findIndex(client, intent);
  if (intent.existed) return "again";
  if (!found) return intent.name || intent.oid ? "again" : "unclear";
  if (found.building) return "unclear";
  if (found.valid) return "done";
  // Only what our own attempt was seen to build: another session's failed build looks the same.
  if (found.oid !== intent.oid) return "unclear";
  await dropIndex(client, found);
  return "again";
}

/** After our statement failed in front of us, an invalid index that was not there before is its. */
export async function clearFailedBuild(client: Client, intent: IndexIntent): Promise<void> {
  if (intent.existed) return;
  const found = await findIndex(client, intent);
  if (found && !found.valid && !found.building) await dropIndex(client, found);
}

/** On `ONLY` a partitioned table an index is invalid by design, until its partitions have theirs. */
export async function assertValid(
  client: Client,
  intent: IndexIntent,
  statement: Statement,
): Promise<void> {
  const found = await findIndex(client, intent);
  const { inh } = statement.node.relation as RangeVar;
  if (found && !found.valid && inh) {
    throw new ExpectedError(ExitCode.pending, `index ${found.name} was built and is not valid`);
  }
}

async function findIndex(client: Client, intent: IndexIntent): Promise<FoundIndex | undefined> {
  const { rows } = await client.query(
    `select i.indexrelid::int8::float8 as oid, i.indisvalid as valid, i.indexrelid::regclass::text as name,
       exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid) as building
     from pg_index i join pg_class c on c.oid = i.indexrelid
     where case when $3::oid is not null then i.indexrelid = $3::oid
       else c.relname = $2 and c.relnamespace = (select relnamespace from pg_class where oid = $1::oid) end`,
    [intent.table, intent.name, intent.oid ?? null],
  );
  return rows[0];
}

async function dropIndex(client: Client, { name }: FoundIndex): Promise<void> {
  await client.query("set lock_timeout = 0");
  await client.query(`drop index concurrently if exists ${name}`);
}
