import { isOlderVersion } from "../../../config/version-order.ts";
import { refused } from "../../../operate/error.ts";

export interface PgvectorChange {
  /** Version in the new image. */
  wanted: string;
  /** Installed versions by database. */
  installed: Record<string, string>;
  /** Changes that the configuration accepts. */
  accept: string[];
}

/** Refuses an older version, or another major version, than a database has; `accept` permits it. */
export function assertPgvector({ wanted, installed, accept }: PgvectorChange): void {
  if (accept.includes(`pgvector ${wanted}`)) return;
  for (const [database, version] of Object.entries(installed)) {
    const reason = isOlderVersion(wanted, version)
      ? `pgvector has no scripts to an older version, and ${wanted} may not read what ${version} has written`
      : majorOf(wanted) !== majorOf(version)
        ? "a new major version may need every vector index to be rebuilt (REINDEX)"
        : undefined;
    if (!reason) continue;
    throw refused(
      `the new image has pgvector ${wanted}, and database "${database}" has ${version}: ${reason}; set postgres.pgvector.version back to "${version}", or postgres.accept to ["pgvector ${wanted}"] for one run`,
    );
  }
}

const majorOf = (version: string) => version.split(".")[0];

/** Reads the text of every script from the older version to the newer; empty if there is no path. */
export const updateScriptSql = (older: string, newer: string) => `
  with step as (
    select regexp_split_to_table(path, '--') as version, row_number() over () as n
    from pg_extension_update_paths('vector') where source = '${older}' and target = '${newer}'
  ), pair as (
    select version as a, lead(version) over (order by n) as b from
      (select version, row_number() over () as n from step) each
  )
  select string_agg(pg_read_file(setting || '/extension/vector--' || a || '--' || b || '.sql'), E'\n')
  from pair, pg_config where name = 'SHAREDIR' and b is not null`;

/** Comments in the SQL and on objects, and no other statement. */
export function hasOnlyComments(script: string): boolean {
  const lines = script.split("\n").filter((line) => line.trim() !== "");
  return (
    lines.length > 0 && lines.every((line) => /^(--|\\echo|COMMENT ON .*;$)/i.test(line.trim()))
  );
}

/**
 * pgvector has no scripts to an older version, so the catalog is changed. With the newer number, a
 * verifying restore would find a difference, and the next update would skip the scripts in between.
 */
export const setVersionSql = (wanted: string) =>
  `update pg_extension set extversion = '${wanted}' where extname = 'vector'`;
