import type { SettingsInput } from "../operate/settings.ts";
import { runPgstead } from "./pgstead.ts";

export interface MigrationFiles {
  /** Versions that wait to be applied; all of them where the database cannot be asked. */
  pending: string[];
  /** The newest version of the folder: what the database has after `up`. */
  newest: string | null;
}

/** What the next run has to do, asked of the same code that will do it. */
export async function readMigrationFiles(settings: SettingsInput): Promise<MigrationFiles> {
  const listed = await runPgstead(
    ["migrate", "list", "--json", "--allow-unreachable", "--settings", "-"],
    // 2 says that something is pending.
    { stdin: JSON.stringify(settings), accept: [0, 2] },
  );
  const { migrations } = JSON.parse(listed) as { migrations: { version: string; state: string }[] };
  return {
    pending: migrations.filter(({ state }) => state === "pending").map(({ version }) => version),
    newest: migrations.at(-1)?.version ?? null,
  };
}
