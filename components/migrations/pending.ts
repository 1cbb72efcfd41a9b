import type { SettingsInput } from "../../operate/settings.ts";
import { runPgstead } from "../pgstead.ts";

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
  const { migrations } = JSON.parse(listed) as { migrations: Listed[] };
  return {
    pending: migrations.filter(({ state }) => TO_RUN.includes(state)).map(({ version }) => version),
    newest: migrations.filter(hasPlace).at(-1)?.version ?? null,
  };
}

interface Listed {
  version: string;
  state: string;
  repeatable: boolean;
}

const TO_RUN = ["pending", "changed", "out-of-order", "unfinished"];

/** In the order of the folder: neither a repeatable nor a row whose file is gone. */
const hasPlace = ({ state, repeatable }: Listed) => !repeatable && state !== "missing";
