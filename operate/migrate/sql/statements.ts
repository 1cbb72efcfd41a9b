import { mistake } from "../../error.ts";
import { findFirstStatement } from "../../statement-scanner.ts";

export interface Statement {
  text: string;
  /** Index in the whole SQL, after the comments and spaces before the statement. */
  start: number;
  end: number;
  /** The key of PostgreSQL's parse tree, such as `IndexStmt`; `node` is its value. */
  type: string;
  node: Record<string, unknown>;
}

/** A syntax error, and its index in the SQL. */
export class ParseFailure extends Error {
  readonly index: number;

  constructor(message: string, index: number) {
    super(message);
    this.index = index;
  }
}

interface RawStatement {
  stmt?: Record<string, Record<string, unknown>>;
  stmt_location?: number;
  stmt_len?: number;
}

/** Splits with PostgreSQL's parser, which knows the semicolons inside `$$` and `BEGIN ATOMIC`. */
export async function splitStatements(sql: string): Promise<Statement[]> {
  const { loadModule, parseSync } = await import("libpg-query");
  await loadModule();
  let stmts: RawStatement[];
  try {
    if (isBlank(sql)) return [];
    stmts = ((parseSync(sql) as { stmts?: RawStatement[] }).stmts ?? []).filter((raw) => raw.stmt);
  } catch (error) {
    const { sqlDetails, message } = error as {
      sqlDetails?: { cursorPosition: number };
      message: string;
    };
    throw new ParseFailure(message, toStringIndex(sql, sqlDetails?.cursorPosition ?? 0));
  }
  const toIndex = createByteOffsetReader(sql);
  return stmts.map(({ stmt, stmt_location = 0, stmt_len }) => {
    const [type = "", node = {}] = Object.entries(stmt ?? {})[0] ?? [];
    const from = toIndex(stmt_location);
    const end = stmt_len ? toIndex(stmt_location + stmt_len) : sql.length;
    const start = from + findFirstStatement(sql.slice(from, end));
    return { text: sql.slice(start, end).trimEnd(), start, end, type, node };
  });
}

export const isBlank = (sql: string) => findFirstStatement(sql) === sql.length;

/** Converts byte offsets (UTF-8) of the parser to string indexes (UTF-16). Rising offsets cost one pass. */
function createByteOffsetReader(sql: string): (offset: number) => number {
  const bytes = Buffer.from(sql);
  if (bytes.length === sql.length) return (offset) => offset;
  let [counted, index] = [0, 0];
  return (offset) => {
    if (offset < counted) [counted, index] = [0, 0];
    index += bytes.toString("utf8", counted, offset).length;
    counted = offset;
    return index;
  };
}

/** The place of an error counts code points; some of them are two UTF-16 units in JavaScript. */
export function toStringIndex(text: string, position: number): number {
  let index = 0;
  for (let seen = 0; seen < position && index < text.length; seen++) {
    index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}

const COPY_FROM_STDIN = /\bcopy\b[^;]*\bfrom\s+std(?:in|out)\b[^;]*;/i;

/** Explains syntax that only psql understands. */
export function explainParseFailure(sql: string, failure: ParseFailure, where: string): Error {
  const line = sql.slice(failure.index).split("\n", 1)[0] ?? "";
  const command = /^\\\S*/.exec(line)?.[0];
  if (command) {
    return mistake(`${where}: "${command}" is a command of psql, not SQL; remove it`);
  }
  const copy = COPY_FROM_STDIN.exec(sql);
  if (copy && copy.index < failure.index) {
    return mistake(
      `${where}: these may be the rows of a COPY that follows a statement without its semicolon; end that statement with a semicolon`,
    );
  }
  return mistake(`${where}: ${failure.message}`);
}
