import { spawnSync } from "node:child_process";
import { findFiles, type MigrationFile } from "../../operate/migrate/files/find-files.ts";
import { type Part, readSource } from "../../operate/migrate/files/source.ts";
import { inspectPart } from "../../operate/migrate/history/inspect-part.ts";
import type { Settings } from "../../operate/settings.ts";

export interface Outcome {
  /** Versions that went through, in the order they did. */
  done: string[];
  /** Where it stopped, and the last it said. */
  stopped?: { version: string; said: string };
}

/** The same files in the same order by `psql` alone: what stops it too is the file's own fault. */
export function upByPsql(settings: Settings, password: string): Promise<Outcome> {
  return run(settings, password, findFiles(settings.migrations), (file) => readSource(file).up);
}

export function downByPsql(
  settings: Settings,
  password: string,
  applied: string[],
): Promise<Outcome> {
  const files = findFiles(settings.migrations).filter(({ version }) => applied.includes(version));
  return run(settings, password, files.reverse(), (file) => readSource(file).down);
}

async function run(
  { database }: Settings,
  password: string,
  files: MigrationFile[],
  choose: (file: MigrationFile) => Part | undefined,
): Promise<Outcome> {
  const done: string[] = [];
  for (const file of files) {
    const { version } = file;
    const part = choose(file);
    if (!part) return { done, stopped: { version, said: "no down part" } };
    const alone = await needsNoTransaction(part);
    const { status, stderr } = spawnSync(
      "psql",
      [
        ...["-X", "-q", "-v", "ON_ERROR_STOP=1", ...(alone ? [] : ["--single-transaction"])],
        ...["-h", database.host, "-p", String(database.port), "-U", database.user],
        ...["-d", database.name, "-o", "/dev/null", "-f", "-"],
      ],
      { input: part.sql, encoding: "utf8", env: { ...process.env, PGPASSWORD: password } },
    );
    if (status !== 0) {
      const error = stderr.split("\n").find((line) => /ERROR|FATAL/.test(line)) ?? stderr.trim();
      return { done, stopped: { version, said: error.replace(/^psql:[^ ]* /, "") } };
    }
    done.push(version);
  }
  return { done };
}

/** psql itself would run such a file statement by statement. */
async function needsNoTransaction(part: Part): Promise<boolean> {
  try {
    return (await inspectPart(part)).mode === "no-transaction";
  } catch {
    return true;
  }
}
