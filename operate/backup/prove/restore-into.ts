import { createReadStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { runTool } from "../../connect/postgres-tool.ts";
import type { Settings } from "../../settings.ts";
import type { Manifest, Part } from "../format/manifest.ts";

export interface RestoreOptions {
  /** Folder with the parts of the backup. */
  folder: string;
  /** Folder for temporary files. */
  work: string;
  jobs: number;
  signal: AbortSignal;
}

/** Creates roles, database and contents on an empty server. Returns the settings of the database. */
export async function restoreInto(
  server: Settings,
  manifest: Manifest,
  options: RestoreOptions,
): Promise<Settings> {
  const { folder, signal } = options;
  const { globals, properties, dump } = manifest;
  if (globals) await runSql(server, adaptGlobals(options, globals), signal);
  // The file creates the database with its locale, owner, settings and grants.
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
 * Writes a copy of the globals that fits the scratch server. Tablespaces get no location, because their
 * folders do not exist here. GRANTED BY is removed, because the first superuser has another name here.
 */
function adaptGlobals({ folder, work }: RestoreOptions, globals: Part): string {
  const text = readFileSync(join(folder, globals.file), "utf8");
  const copy = join(work, "globals.sql");
  const sql = text
    .replace(/^(CREATE TABLESPACE .* LOCATION) '.*';$/gm, "$1 '';")
    .replace(/^(GRANT .+ TO .+) GRANTED BY [^;]+;$/gm, "$1;");
  writeFileSync(copy, sql, { mode: 0o600 });
  return copy;
}
