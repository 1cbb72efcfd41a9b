import { mistake } from "../../error.ts";

/** Refuses names of which nobody can say whether and how they would run. */
export function assertNamesAreClear(folder: string, names: string[]): void {
  for (const name of names) {
    const shown = JSON.stringify(name);
    if (/\p{Cc}/u.test(name)) {
      throw mistake(
        `${folder}: the name ${shown} has a line break or another control character; rename it`,
      );
    }
    if (/\.sql\s*$/i.test(name) && !name.endsWith(".sql")) {
      throw mistake(
        `${folder}: ${shown} would not run, because its name does not end in ".sql"; rename it`,
      );
    }
    if (/\.(?:up|down)\.sql$/i.test(name) && !/\.(?:up|down)\.sql$/.test(name)) {
      throw mistake(
        `${folder}: ${shown} must end in ".up.sql" or ".down.sql", in lower case; rename it`,
      );
    }
  }
  assertNoUnreadDown(folder, names);
}

const DOWN = /^(.+)([._-])(?:down|undo|rollback|revert)\.sql$/i;
const UP = ["up", "do", "deploy", "migrate", "forward"];

/** `1-a-down.sql` beside `1-a-up.sql` is the down part of another tool, and would run as a migration. */
function assertNoUnreadDown(folder: string, names: string[]): void {
  const known = new Set(names.map((name) => name.toLowerCase()));
  for (const name of names) {
    const [, base = "", mark = ""] = DOWN.exec(name) ?? [];
    if (!base || name.endsWith(".down.sql")) continue;
    const ups = [`${base}.sql`, ...UP.map((up) => `${base}${mark}${up}.sql`)];
    const up = ups.find((one) => known.has(one.toLowerCase()));
    if (!up) continue;
    throw mistake(
      `${folder}: "${name}" would run as a migration, but by its name it undoes "${up}"; rename them to "${base}.up.sql" and "${base}.down.sql"`,
    );
  }
}
