import { type MigrationFile, shortenPath } from "../files/find-files.ts";
import type { History, HistoryRow } from "./history.ts";

export type FileState =
  | "applied"
  | "pending"
  | "changed"
  | "edited"
  | "unfinished"
  | "out-of-order";

export interface ComparedFile {
  file: MigrationFile;
  state: FileState;
  row?: HistoryRow;
}

export interface Comparison {
  files: ComparedFile[];
  /** Applied versions without a file. */
  missing: MissingFile[];
}

export interface MissingFile {
  row: HistoryRow;
  /** A pending file with the same content, so the file was renamed. */
  renamedTo?: string;
  /** Later than every file here, so another checkout has applied it. */
  ahead: boolean;
}

export function compareFiles(files: MigrationFile[], history: History): Comparison {
  const lastApplied = findLastApplied(files, history);
  const compared = files.map((file, index) => compareFile(file, history, index < lastApplied));
  return { files: compared, missing: findMissingFiles(compared, history) };
}

function compareFile(file: MigrationFile, history: History, isLate: boolean): ComparedFile {
  const row = history.rows.get(file.version);
  if (!row || row.state === "undone") {
    return {
      file,
      state: isLate && !file.repeatable ? "out-of-order" : "pending",
      ...(row && { row }),
    };
  }
  if (row.state === "applying") return { file, row, state: "unfinished" };
  if (row.checksum === file.normalised) return { file, row, state: "applied" };
  return { file, row, state: file.repeatable ? "changed" : "edited" };
}

function findLastApplied(files: MigrationFile[], history: History): number {
  for (let i = files.length - 1; i >= 0; i--) {
    const file = files[i] as MigrationFile;
    const row = history.rows.get(file.version);
    if (!file.repeatable && row && row.state !== "undone") return i;
  }
  return -1;
}

function findMissingFiles(compared: ComparedFile[], history: History): MissingFile[] {
  const known = new Set(compared.map(({ file }) => file.version));
  const versioned = compared.filter(({ file }) => !file.repeatable);
  const newest = versioned.at(-1)?.file.version ?? "";
  const pending = new Map(
    compared
      .filter(({ state }) => state === "pending" || state === "out-of-order")
      .map(({ file }) => [file.normalised, shortenPath(file.path)]),
  );
  return [...history.rows.values()]
    .filter((row) => row.state !== "undone" && !known.has(row.version) && !row.repeatable)
    .map((row) => {
      const renamedTo = pending.get(row.checksum);
      return { row, ahead: !renamedTo && row.version > newest, ...(renamedTo && { renamedTo }) };
    });
}
