import { mistake } from "../../error.ts";
import { piecesOf } from "../../statement-scanner.ts";

export interface Statement {
  text: string;
  /** Index into the SQL that was split, past comments and blanks before the statement. */
  start: number;
  end: number;
  /** Postgres's own parse tree: `{ IndexStmt: {...} }`. */
  type: string;
  node: Record<string, unknown>;
}

/** Where the parser gave up. */
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

/** Splits with Postgres's parser: no other knows what `$$` or `BEGIN ATOMIC` hide. */
export async function splitStatements(sql: string): Promise<Statement[]> {
  const { loadModule, parseSync } = await import("libpg-query");
  await loadModule();
  const toIndex = byteOffsets(sql);
  let stmts: RawStatement[];
  try {
    if (isBlank(sql)) return [];
    stmts = ((parseSync(sql) as { stmts?: RawStatement[] }).stmts ?? []).filter((raw) => raw.stmt);
  } catch (error) {
    const { sqlDetails, message } = error as {
      sqlDetails?: { cursorPosition: number };
      message: string;
    };
    throw new ParseFailure(message, toIndex(sqlDetails?.cursorPosition ?? 0));
  }
  return stmts.map(({ stmt, stmt_location = 0, stmt_len }) => {
    const [type = "", node = {}] = Object.entries(stmt ?? {})[0] ?? [];
    const from = toIndex(stmt_location);
    const end = stmt_len ? toIndex(stmt_location + stmt_len) : sql.length;
    const start = from + leadingBlanks(sql.slice(from, end));
    return { text: sql.slice(start, end).trimEnd(), start, end, type, node };
  });
}

const leadingBlanks = (text: string) => piecesOf(text)[0]?.words ?? text.length;

export const isBlank = (sql: string) => leadingBlanks(sql) === sql.length;

/** The parser counts bytes of UTF-8, JavaScript counts UTF-16 units. Asked in rising order, it counts once. */
function byteOffsets(sql: string): (offset: number) => number {
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

const COPY_FROM_STDIN = /\bcopy\b[^;]*\bfrom\s+stdin\b[^;]*;/i;

/** What the parser's message leaves unsaid when a file was written for psql. */
export function explainFailure(sql: string, failure: ParseFailure, where: string): Error {
  const line = sql.slice(failure.index).split("\n", 1)[0] ?? "";
  const command = /^\\\S*/.exec(line)?.[0];
  if (command) {
    return mistake(`${where}: "${command}" is a command of psql, not SQL; take it out`);
  }
  const copy = COPY_FROM_STDIN.exec(sql);
  if (copy && copy.index < failure.index) {
    return mistake(
      `${where}: data after COPY ... FROM stdin is read by psql only; write INSERTs (pg_dump --inserts does)`,
    );
  }
  return mistake(`${where}: ${failure.message}`);
}
