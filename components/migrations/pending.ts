import type { SettingsInput } from "../../operate/settings.ts";
import { runPgstead } from "../pgstead.ts";

export interface MigrationFiles {
  /** Versions that are not applied yet; all versions where the database is out of reach. */
  pending: string[];
  /** The newest version of the folder, which the database has after `up`. */
  newest: string | null;
}

/** The name of a stack, from which `pgstead` finds the database, or the settings of a connection. */
export type Database = { stack: string } | { settings: SettingsInput };

/** Lists the pending migrations. It asks `pgstead`, so that list and run follow the same rules. */
export async function readMigrationFiles(database: Database): Promise<MigrationFiles> {
  const [flags, stdin] =
    "stack" in database
      ? [["--stack", database.stack], ""]
      : [["--settings", "-"], JSON.stringify(database.settings)];
  const listed = await runPgstead(
    ["migrate", "list", "--json", "--allow-unreachable", ...flags],
    // Exit code 2 means that migrations are pending.
    { stdin, accept: [0, 2] },
  );
  const { migrations } = JSON.parse(listed) as { migrations: Listed[] };
  return {
    pending: migrations.filter(({ state }) => TO_RUN.includes(state)).map(({ version }) => version),
    newest: migrations.filter(isOrdered).at(-1)?.version ?? null,
  };
}

interface Listed {
  version: string;
  state: string;
  repeatable: boolean;
}

const TO_RUN = ["pending", "changed", "out-of-order", "unfinished"];

/** True for a version in the folder's order: not for a repeatable, nor for a row whose file is missing. */
const isOrdered = ({ state, repeatable }: Listed) => !repeatable && state !== "missing";
