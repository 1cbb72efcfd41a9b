import { type MigrationFile, nameOf } from "../files/files.ts";
import type { History, Recorded } from "./history.ts";

export type FileState =
  | "applied"
  | "pending"
  | "changed"
  | "edited"
  | "unfinished"
  | "out-of-order";

export interface Compared {
  file: MigrationFile;
  state: FileState;
  row?: Recorded;
}

export interface Comparison {
  files: Compared[];
  /** Applied, but no file has that version any more. */
  missing: Missing[];
}

export interface Missing {
  row: Recorded;
  /** A pending file with the very content: it was renamed. */
  renamedTo?: string;
  /** Later than every file here: the database is ahead of this checkout. */
  ahead: boolean;
}

export function compare(files: MigrationFile[], history: History): Comparison {
  const lastApplied = lastAppliedIndex(files, history);
  const compared = files.map((file, index) => compareOne(file, history, index < lastApplied));
  return { files: compared, missing: missingFiles(compared, history) };
}

function compareOne(file: MigrationFile, history: History, late: boolean): Compared {
  const row = history.rows.get(file.version);
  if (!row || row.state === "undone") {
    return {
      file,
      state: late && !file.repeatable ? "out-of-order" : "pending",
      ...(row && { row }),
    };
  }
  if (row.state === "applying") return { file, row, state: "unfinished" };
  if (row.checksum === file.normalised) return { file, row, state: "applied" };
  return { file, row, state: file.repeatable ? "changed" : "edited" };
}

function lastAppliedIndex(files: MigrationFile[], history: History): number {
  for (let i = files.length - 1; i >= 0; i--) {
    const file = files[i] as MigrationFile;
    const row = history.rows.get(file.version);
    if (!file.repeatable && row && row.state !== "undone") return i;
  }
  return -1;
}

function missingFiles(compared: Compared[], history: History): Missing[] {
  const known = new Set(compared.map(({ file }) => file.version));
  const versioned = compared.filter(({ file }) => !file.repeatable);
  const newest = versioned.at(-1)?.file.version ?? "";
  const pending = new Map(
    compared
      .filter(({ state }) => state === "pending" || state === "out-of-order")
      .map(({ file }) => [file.normalised, nameOf(file.path)]),
  );
  return [...history.rows.values()]
    .filter((row) => row.state !== "undone" && !known.has(row.version) && !row.repeatable)
    .map((row) => {
      const renamedTo = pending.get(row.checksum);
      return { row, ahead: !renamedTo && row.version > newest, ...(renamedTo && { renamedTo }) };
    });
}
