import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { runTool } from "../../connect/postgres-tool.ts";
import type { Settings } from "../../settings.ts";
import type { Manifest, Part } from "../format/manifest.ts";

export interface RestoreOptions {
  /** Where the parts of the backup lie. */
  folder: string;
  /** For files of its own. */
  work: string;
  jobs: number;
  signal: AbortSignal;
}

/** Makes roles, database and contents on an empty server. Returns the settings of the database. */
export async function restoreInto(
  server: Settings,
  manifest: Manifest,
  options: RestoreOptions,
): Promise<Settings> {
  const { folder, signal } = options;
  const { globals, properties, dump } = manifest;
  if (globals) await runSql(server, inPlace(options, globals), signal);
  // It ends with the database made, with its locale, owner, settings and grants.
  if (properties) await runSql(server, join(folder, properties.file), signal);
  else await runTool(server, "createdb", ["--template=template0", manifest.database], { signal });
  const database = { ...server.database, name: manifest.database };
  const settings = { ...server, database };
  if (manifest.format === "plain") {
    const source = createReadStream(join(folder, dump.file)).pipe(createGunzip());
    await runTool(settings, "psql", PSQL, { signal, stdin: source });
  } else {
    const args = ["--exit-on-error", `--jobs=${options.jobs}`, `--dbname=${manifest.database}`];
    await runTool(settings, "pg_restore", [...args, join(folder, dump.file)], { signal });
  }
  return settings;
}

const PSQL = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1"];

const runSql = (server: Settings, file: string, signal: AbortSignal) =>
  runTool(server, "psql", [...PSQL, `--file=${file}`], { signal });

/**
 * The folders of tablespaces are not here; without a location they lie in the cluster. And a role may
 * be granted in the name of its cluster's first superuser only, who has another name here.
 */
function inPlace({ folder, work }: RestoreOptions, globals: Part): string {
  const text = readFileSync(join(folder, globals.file), "utf8");
  const copy = join(work, "globals.sql");
  const sql = text
    .replace(/^(CREATE TABLESPACE .* LOCATION) '.*';$/gm, "$1 '';")
    .replace(/^(GRANT .+ TO .+) GRANTED BY [^;]+;$/gm, "$1;");
  writeFileSync(copy, sql, { mode: 0o600 });
  return copy;
}
