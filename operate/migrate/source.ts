import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { mistake } from "../error.ts";
import { type Directives, readDirectives } from "./directives.ts";
import { type MigrationFile, nameOf } from "./files.ts";

/** One direction of a migration: its SQL, and where in the file that SQL begins. */
export interface Part {
  path: string;
  sql: string;
  /** Line of the file (from 1) on which `sql` begins. */
  firstLine: number;
  directives: Directives;
}

export interface Source {
  up: Part;
  down?: Part;
}

const DOWN = /^--[ \t]*migrate:down\b.*$/m;

export function readSource(file: Pick<MigrationFile, "path" | "downPath">): Source {
  const { path, downPath } = file;
  const text = readText(path);
  const marker = DOWN.exec(text);
  if (!marker) {
    const up = part(path, text, 1);
    return downPath ? { up, down: part(downPath, readText(downPath), 1) } : { up };
  }
  if (downPath) {
    throw mistake(`${nameOf(path)} has a down part of its own and so has ${nameOf(downPath)}`);
  }
  const head = text.slice(0, marker.index);
  return {
    up: part(path, head, 1),
    down: part(path, text.slice(marker.index), head.split("\n").length),
  };
}

function part(path: string, sql: string, firstLine: number): Part {
  return { path, sql, firstLine, directives: readDirectives(path, sql, firstLine) };
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
