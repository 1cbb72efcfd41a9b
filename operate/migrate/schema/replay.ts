import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import { type ScratchRequirements, withScratchDatabase } from "../../scratch/scratch-database.ts";
import type { Settings } from "../../settings.ts";
import { readHistory } from "../history/history.ts";
import { applyPending } from "../run/apply-pending.ts";
import type { SchemaObject } from "./schema-object.ts";
import { readSchema } from "./snapshot.ts";

/** Runs the files in an empty scratch database, only the versions in `only` where it is given. */
export async function replay<T>(
  live: Settings,
  only: ReadonlySet<string> | undefined,
  use: (scratch: Settings, objects: SchemaObject[]) => Promise<T>,
): Promise<T> {
  const needs = await withSession(live, { purpose: "migrate verify" }, readNeeds);
  return withScratchDatabase(live, needs, async (scratch) => {
    await applyPending(scratch, {
      toolVersion: "scratch",
      outOfOrder: "apply",
      ...(only && { only }),
    });
    const objects = await withSession(scratch, { purpose: "migrate verify" }, (client) =>
      readSchema(client),
    );
    return use(scratch, objects);
  });
}

export async function readNeeds(client: Client): Promise<ScratchRequirements> {
  const extensions = await client.query(
    `select extname as name, nspname as schema from pg_extension
     join pg_namespace n on n.oid = extnamespace where extname <> 'plpgsql' order by 1`,
  );
  const roles = await client.query(
    "select rolname from pg_roles where oid >= 16384 and rolname !~ '^pg_' order by 1",
  );
  return { extensions: extensions.rows, roles: roles.rows.map(({ rolname }) => rolname) };
}

/** The versions that the history has as applied or under way. */
export async function appliedVersions(settings: Settings): Promise<Set<string>> {
  const { rows } = await withSession(settings, { purpose: "migrate verify" }, readHistory);
  return new Set(
    [...rows.values()].filter(({ state }) => state !== "undone").map(({ version }) => version),
  );
}
