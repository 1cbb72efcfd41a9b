import { isOlderVersion } from "../../../config/version-order.ts";
import { refused } from "../../../operate/error.ts";

export interface PgvectorChange {
  /** What the image brings. */
  wanted: string;
  /** Installed versions by database. */
  installed: Record<string, string>;
  /** Changes that the configuration has named. */
  accept: string[];
}

/** Lower, or of another major version, than what the databases hold: refused until it is named. */
export function assertPgvector({ wanted, installed, accept }: PgvectorChange): void {
  if (accept.includes(`pgvector ${wanted}`)) return;
  for (const [database, version] of Object.entries(installed)) {
    const reason = isOlderVersion(wanted, version)
      ? `there is no way down, and what ${version} has written ${wanted} may not read`
      : majorOf(wanted) !== majorOf(version)
        ? "a new major version may ask for every vector index to be built anew (REINDEX)"
        : undefined;
    if (!reason) continue;
    throw refused(
      `the new image has pgvector ${wanted}, and database "${database}" has ${version}: ${reason}; set postgres.pgvector.version back to "${version}", or postgres.accept to ["pgvector ${wanted}"] for one run`,
    );
  }
}

const majorOf = (version: string) => version.split(".")[0];

/** Asks for the text of every script that leads from the older version to the newer, or for nothing. */
export const updateSql = (older: string, newer: string) => `
  with step as (
    select regexp_split_to_table(path, '--') as version, row_number() over () as n
    from pg_extension_update_paths('vector') where source = '${older}' and target = '${newer}'
  ), pair as (
    select version as a, lead(version) over (order by n) as b from
      (select version, row_number() over () as n from step) each
  )
  select string_agg(pg_read_file(setting || '/extension/vector--' || a || '--' || b || '.sql'), E'\n')
  from pair, pg_config where name = 'SHAREDIR' and b is not null`;

/** Such a script has comments, in SQL and on objects, and no other statement. */
export function changesNothing(script: string): boolean {
  const lines = script.split("\n").filter((line) => line.trim() !== "");
  return (
    lines.length > 0 && lines.every((line) => /^(--|\\echo|COMMENT ON .*;$)/i.test(line.trim()))
  );
}

/**
 * There are no scripts down. Left at the newer number, a restore for trial would make the older one and
 * find it different, and the next step up would pass over the scripts between.
 */
export const setBack = (wanted: string) =>
  `update pg_extension set extversion = '${wanted}' where extname = 'vector'`;
