import { isUtf8 } from "node:buffer";
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mistake, refused } from "../../error.ts";
import { computeChecksums } from "./checksum.ts";
import { type CopyRows, readScript, type Script, sliceCopies } from "./copy-rows.ts";
import type { Section } from "./dialects/section.ts";
import { assertOnePart, splitSections } from "./dialects/split-sections.ts";
import { type Directives, readDirectives } from "./directives.ts";
import { LARGE_BYTES, type MigrationFile, shortenPath } from "./find-files.ts";

/** One direction of a migration: its SQL, and the line of the file where it begins. */
export interface Part {
  path: string;
  /** With spaces for the rows of COPY. */
  sql: string;
  /** Only if there are any. */
  copies?: CopyRows[];
  /** Line of the file (from 1) on which `sql` begins. */
  firstLine: number;
  directives: Directives;
  /** A down part may be empty, because not every change must be undone. */
  isDown?: boolean;
  /** `sql` contains only the beginning. The rest is read while it runs. */
  large?: boolean;
}

export interface Source {
  up: Part;
  down?: Part;
}

/** Refuses a file that has changed since it was hashed: the history would record the old hash. */
export function readSource(
  file: Pick<MigrationFile, "path" | "downPath" | "size" | "raw">,
): Source {
  const { path, downPath, size } = file;
  if (size > LARGE_BYTES) return readLarge(path, downPath);
  const script = readScript(path, readText(path, file.raw));
  const { up, down } = splitSections(path, script.sql);
  if (down && downPath) {
    throw mistake(
      `${shortenPath(path)} contains a down part, and ${shortenPath(downPath)} exists too; keep one of them`,
    );
  }
  const source = { up: buildPart(path, script, up) };
  if (down) return { ...source, down: buildPart(path, script, down, true) };
  return downPath ? { ...source, down: readDownFile(downPath) } : source;
}

function readDownFile(path: string): Part {
  const script = readScript(path, readText(path));
  assertOnePart(path, script.sql);
  return buildPart(path, script, { start: 0, end: script.sql.length }, true);
}

/** Reads only the beginning, which has the directives. A down part must be in a separate file. */
function readLarge(path: string, downPath: string | undefined): Source {
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(64 * 1024);
  const text = buffer.toString("utf8", 0, readSync(file, buffer));
  closeSync(file);
  const { sql: head } = readScript(path, text, { isCut: true });
  assertOnePart(path, head);
  const up = {
    ...buildPart(path, { sql: head, copies: [] }, splitSections(path, head).up),
    large: true,
  };
  if (up.directives.noTransaction || up.directives.backfill) {
    throw mistake(
      `${path} is larger than 8 MB and cannot be no-transaction or a backfill; split it`,
    );
  }
  return downPath ? { up, down: readDownFile(downPath) } : { up };
}

function buildPart(path: string, script: Script, section: Section, isDown?: true): Part {
  const { start, end, noTransaction } = section;
  const sql = script.sql.slice(start, end);
  const copies = sliceCopies(script.copies, start, end);
  const part = {
    path,
    sql,
    firstLine: findLineNumber(script.sql, start),
    ...(copies.length > 0 && { copies }),
    ...(isDown && { isDown }),
  };
  const directives = {
    ...readDieselMetadata(path),
    ...(noTransaction && { noTransaction }),
    ...readDirectives(part),
  };
  return { ...part, directives };
}

/** Diesel's form of `no-transaction` is in a file beside `up.sql` and `down.sql`. */
function readDieselMetadata(path: string): Directives {
  if (!/^(up|down)\.sql$/.test(basename(path))) return {};
  const file = join(dirname(path), "metadata.toml");
  if (!existsSync(file)) return {};
  const isOutside = /^\s*run_in_transaction\s*=\s*false/m.test(readFileSync(file, "utf8"));
  return isOutside ? { noTransaction: true } : {};
}

/** PostgreSQL rejects a byte-order mark, and its error for invalid UTF-8 does not name the line. */
function readText(path: string, hash?: string): string {
  const bytes = readFileSync(path);
  if (hash !== undefined) assertUnchanged(path, hash, computeChecksums(bytes).raw);
  if (!isUtf8(bytes)) {
    const readable = new TextDecoder().decode(bytes);
    throw mistake(
      `${path}:${findLineNumber(readable, readable.indexOf("\uFFFD"))} is not UTF-8; save the file as UTF-8`,
    );
  }
  const text = new TextDecoder().decode(bytes);
  const nul = text.indexOf("\0");
  if (nul === -1) return text;
  throw mistake(
    `${path}:${findLineNumber(text, nul)} contains a NUL byte and may be UTF-16; save the file as UTF-8`,
  );
}

export function assertUnchanged(path: string, hashed: string, found: string): void {
  if (hashed === found) return;
  throw refused(
    `${shortenPath(path)} changed after pgstead had read it; nothing of it was kept, run the command again`,
  );
}

export const findLineNumber = (text: string, index: number) =>
  text.slice(0, index).split("\n").length;
