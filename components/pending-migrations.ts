import type { SettingsInput } from "../operate/settings.ts";
import { runPgstead } from "./pgstead.ts";

export interface MigrationFiles {
  /** Versions that wait to be applied; all of them where the database cannot be asked. */
  pending: string[];
  /** The newest version of the folder: what the database has after `up`. */
  newest: string | null;
}

/** A stack that `pgstead` finds its way to by name, or the settings to reach a database with. */
export type Database = { stack: string } | { settings: SettingsInput };

/** What the next run has to do, asked of the same code that will do it. */
export async function readMigrationFiles(database: Database): Promise<MigrationFiles> {
  const [flags, stdin] =
    "stack" in database
      ? [["--stack", database.stack], ""]
      : [["--settings", "-"], JSON.stringify(database.settings)];
  const listed = await runPgstead(
    ["migrate", "list", "--json", "--allow-unreachable", ...flags],
    // 2 says that something is pending.
    { stdin, accept: [0, 2] },
  );
  const { migrations } = JSON.parse(listed) as { migrations: { version: string; state: string }[] };
  return {
    pending: migrations.filter(({ state }) => state === "pending").map(({ version }) => version),
    newest: migrations.at(-1)?.version ?? null,
  };
}
