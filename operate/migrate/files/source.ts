import { isUtf8 } from "node:buffer";
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { mistake } from "../../error.ts";
import { type Directives, readDirectives } from "./directives.ts";
import { LARGE, type MigrationFile, nameOf } from "./files.ts";

/** One direction of a migration: its SQL, and where in the file that SQL begins. */
export interface Part {
  path: string;
  sql: string;
  /** Line of the file (from 1) on which `sql` begins. */
  firstLine: number;
  directives: Directives;
  /** It may be empty: what an up part of old data did, nobody can or need undo. */
  isDown?: boolean;
  /** `sql` is but the head of it: the rest is read while it runs. */
  large?: boolean;
}

export interface Source {
  up: Part;
  down?: Part;
}

const DOWN = /^--[ \t]*migrate:down\b.*$/m;

export function readSource(file: Pick<MigrationFile, "path" | "downPath" | "size">): Source {
  const { path, downPath, size } = file;
  if (size > LARGE) return readLarge(path, downPath);
  const text = readText(path);
  const marker = DOWN.exec(text);
  if (!marker) {
    const up = part(path, text, 1);
    return downPath ? { up, down: downPart(downPath, readText(downPath), 1) } : { up };
  }
  if (downPath) {
    throw mistake(`${nameOf(path)} has a down part of its own and so has ${nameOf(downPath)}`);
  }
  const head = text.slice(0, marker.index);
  return {
    up: part(path, head, 1),
    down: downPart(path, text.slice(marker.index), head.split("\n").length),
  };
}

/** Its head is enough to know how it wants to be run; a down part has to be in a file of its own. */
function readLarge(path: string, downPath: string | undefined): Source {
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(64 * 1024);
  const head = buffer.toString("utf8", 0, readSync(file, buffer));
  closeSync(file);
  const up = { ...part(path, head, 1), large: true };
  if (up.directives.noTransaction || up.directives.backfill) {
    throw mistake(`${path} is too large for a file without one transaction; divide it`);
  }
  return downPath ? { up, down: downPart(downPath, readText(downPath), 1) } : { up };
}

function part(path: string, sql: string, firstLine: number): Part {
  const directives = { ...besideIt(path), ...readDirectives(path, sql, firstLine) };
  return { path, sql, firstLine, directives };
}

const downPart = (path: string, sql: string, firstLine: number): Part => ({
  ...part(path, sql, firstLine),
  isDown: true,
});

/** Diesel's word for `no-transaction` stands in a file beside `up.sql` and `down.sql`. */
function besideIt(path: string): Directives {
  if (!/^(up|down)\.sql$/.test(basename(path))) return {};
  const file = join(dirname(path), "metadata.toml");
  if (!existsSync(file)) return {};
  const said = /^\s*run_in_transaction\s*=\s*false/m.test(readFileSync(file, "utf8"));
  return said ? { noTransaction: true } : {};
}

/** Postgres takes no byte-order mark, and reports broken UTF-8 far from its cause. */
function readText(path: string): string {
  const bytes = readFileSync(path);
  if (!isUtf8(bytes)) {
    const lenient = new TextDecoder().decode(bytes);
    throw mistake(
      `${path}:${lineAt(lenient, lenient.indexOf("\uFFFD"))} is not UTF-8; save the file as UTF-8`,
    );
  }
  const text = new TextDecoder().decode(bytes);
  const nul = text.indexOf("\0");
  if (nul === -1) return text;
  throw mistake(`${path}:${lineAt(text, nul)} holds a NUL byte; is it UTF-16? Save it as UTF-8`);
}

export const lineAt = (text: string, index: number) => text.slice(0, index).split("\n").length;
