import { ExitCode, ExpectedError, refused } from "../../error.ts";
import { asPgstead, resolveName, withoutTimeouts } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import type { Statement } from "../sql/statements.ts";
import type { IndexIntent, Outcome } from "./intent.ts";

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

/** Reads the catalog before a CREATE INDEX CONCURRENTLY. With IF NOT EXISTS, an invalid one is refused. */
export async function prepareIndexBuild(
  runner: Runner,
  statement: Statement,
): Promise<IndexIntent> {
  const { client } = runner;
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
  const table = (await resolveName(client, qualified)) ?? 0;
  const found = await findIndex(runner, { table, name, existed: false });
  if (found && if_not_exists && relation.inh) assertUsable(found);
  return { table, name, existed: Boolean(found) };
}

/** S7: IF NOT EXISTS over an invalid index would report success. */
function assertUsable({ valid, building, name }: FoundIndex): void {
  if (valid) return;
  const builder = building ? ", and another session is building it" : "";
  throw refused(
    `index ${name} exists and is invalid${builder}; IF NOT EXISTS would skip it and report success. Drop it first: DROP INDEX CONCURRENTLY ${name}`,
  );
}

/** The kill may have happened before, during or after the build. */
export async function findIndexOutcome(runner: Runner, intent: IndexIntent): Promise<Outcome> {
  const found = await findIndex(runner, intent);
  if (intent.existed) return "again";
  if (!found) return intent.name || intent.oid ? "again" : "unclear";
  if (found.building) return "unclear";
  if (found.valid) return "done";
  // Only an index whose oid we recorded is ours: a failed build of another session looks the same.
  return found.oid === intent.oid ? "half-built" : "unclear";
}

/** Drops the invalid index of our failed statement: one that did not exist before it. */
export async function dropFailedBuild(runner: Runner, intent: IndexIntent): Promise<void> {
  if (intent.existed) return;
  const found = await findIndex(runner, intent);
  if (found && !found.valid && !found.building) await dropIndex(runner, found);
}

/** An index on `ONLY` a partitioned table is invalid until its partitions have theirs, so it is not checked. */
export async function assertIndexValid(
  runner: Runner,
  intent: IndexIntent,
  statement: Statement,
): Promise<void> {
  const found = await findIndex(runner, intent);
  const { inh } = statement.node.relation as RangeVar;
  if (found && !found.valid && inh) {
    throw new ExpectedError(ExitCode.pending, `index ${found.name} was built, but it is not valid`);
  }
}

/**
 * True for the index `i` of `pg_index` while another session may be building it. The role of the objects
 * sees only the pid of that session in the progress view, but it sees every lock.
 */
export const IS_BEING_BUILT = `exists (
  select from pg_catalog.pg_stat_progress_create_index p join pg_catalog.pg_locks l on l.pid = p.pid
  where l.relation = i.indrelid and l.mode = 'ShareUpdateExclusiveLock' and l.granted
    and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
    and (p.index_relid is null or p.index_relid in (0, i.indexrelid)))`;

async function findIndex(
  { client, settings }: Runner,
  intent: IndexIntent,
): Promise<FoundIndex | undefined> {
  const { rows } = await asPgstead(client, settings, () =>
    client.query(
      `select i.indexrelid::int8::float8 as oid, i.indisvalid as valid,
         ${IS_BEING_BUILT} as building
     from pg_index i join pg_class c on c.oid = i.indexrelid
     where case when $3::oid is not null then i.indexrelid = $3::oid
       else c.relname = $2 and c.relnamespace = (select relnamespace from pg_class where oid = $1::oid) end`,
      [intent.table, intent.name, intent.oid ?? null],
    ),
  );
  const [found] = rows;
  if (!found) return undefined;
  // In the file's path, so that the message names the index as the file does.
  const sql = "select $1::pg_catalog.oid::pg_catalog.regclass::pg_catalog.text as name";
  return { ...found, name: (await client.query(sql, [found.oid])).rows[0].name };
}

async function dropIndex({ client }: Runner, { name }: FoundIndex): Promise<void> {
  await withoutTimeouts(client, () => client.query(`drop index concurrently if exists ${name}`));
}
