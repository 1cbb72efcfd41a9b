import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { MigrationFile } from "../files/find-files.ts";
import type { ForeignHistory, Tool } from "./foreign-history.ts";

export interface FileMatch {
  files: MigrationFile[];
  /** Versions that the other tool has applied and that have no file here. */
  unmatched: string[];
  /** Files whose content differs from what the other tool recorded. */
  edited: string[];
}

/** Finds the files that the other tool has applied. */
export function matchFiles(
  tool: Tool,
  files: MigrationFile[],
  { entries }: ForeignHistory,
): FileMatch {
  if (tool === "golang-migrate") return matchUpToVersion(files, entries[0]?.version);
  const result: FileMatch = { files: [], unmatched: [], edited: [] };
  for (const { version, checksum } of entries) {
    const file = files.find((one) => isRecordedAs(one, version, tool));
    if (!file) result.unmatched.push(version);
    else {
      result.files.push(file);
      if (checksum && !hasChecksum(file, checksum)) result.edited.push(basename(file.path));
    }
  }
  result.files.sort((a, b) => files.indexOf(a) - files.indexOf(b));
  return result;
}

/** golang-migrate records only the newest version. All files before it are applied. */
function matchUpToVersion(files: MigrationFile[], version: string | undefined): FileMatch {
  if (version === undefined) return { files: [], unmatched: [], edited: [] };
  const applied = files.filter((file) => (readNumber(file) ?? Infinity) <= BigInt(version));
  const found = applied.some((file) => readNumber(file) === BigInt(version));
  return { files: applied, unmatched: found ? [] : [version], edited: [] };
}

/** Undefined without a number: such a file cannot have been run by a tool that counts. */
function readNumber({ version }: MigrationFile): bigint | undefined {
  const digits = /^\d[\d-]*/.exec(version)?.[0];
  return digits === undefined ? undefined : BigInt(digits.replaceAll("-", ""));
}

const BY_NUMBER: Tool[] = ["dbmate", "goose", "diesel", "sqlx"];

function isRecordedAs(file: MigrationFile, recorded: string, tool: Tool): boolean {
  const { version, path } = file;
  if ([version, basename(path), `${version}.sql`].includes(recorded)) return true;
  return (
    BY_NUMBER.includes(tool) && /^\d+$/.test(recorded) && readNumber(file) === BigInt(recorded)
  );
}

const ALGORITHMS: Record<number, string> = { 32: "md5", 40: "sha1", 64: "sha256", 128: "sha512" };

/** The length of a hexadecimal checksum determines its algorithm. */
function hasChecksum({ path }: MigrationFile, checksum: string): boolean {
  const hex = checksum.replace(/^\\x/, "").toLowerCase();
  const algorithm = ALGORITHMS[hex.length];
  if (!algorithm) return false;
  const bytes = readFileSync(path);
  const text = bytes.toString("utf8").replaceAll("\r\n", "\n");
  return [bytes, text, text.trim()].some(
    (content) => createHash(algorithm).update(content).digest("hex") === hex,
  );
}
