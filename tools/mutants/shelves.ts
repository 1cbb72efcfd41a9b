import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Shelves that the unit tests cover without a server: a folder, or one file. */
export const SHELVES = [
  "config",
  "docker",
  "operate/backup/format",
  "operate/backup/store",
  "operate/migrate/files",
  "operate/migrate/history",
  "operate/migrate/sql",
  "operate/vector",
  "operate/settings.ts",
  "operate/file-lock.ts",
  "operate/statement-scanner.ts",
  "cli/psql",
  "cli/frames.ts",
  "cli/stack/pulumi",
  "components/server",
];

/** The sources of a shelf, as paths from the root. */
export function filesOf(root: string, shelf: string): string[] {
  if (shelf.endsWith(".ts")) return [shelf];
  return readdirSync(join(root, shelf), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${shelf}/${name}`)
    .sort();
}
