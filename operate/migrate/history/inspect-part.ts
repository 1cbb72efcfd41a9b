import { mistake } from "../../error.ts";
import { countStatements, type Piece, piecesOf } from "../../statement-scanner.ts";
import { findLineNumber, type Part } from "../files/source.ts";
import {
  endsWithTransaction,
  hasTransactionModes,
  MAY_CHANGE_STRINGS,
  turnsBackslashesOn,
} from "../sql/file-as-whole.ts";
import { classifyStatement, isNonTransactional } from "../sql/statement-kind.ts";
import {
  explainParseFailure,
  isBlank,
  ParseFailure,
  type Statement,
  splitStatements,
} from "../sql/statements.ts";

/** A part that was checked and may run. Its own BEGIN and COMMIT are replaced by spaces. */
export interface Runnable {
  part: Part;
  sql: string;
  mode: "transaction" | "no-transaction" | "backfill" | "large";
  /** Number of statements for the record of one transaction; 0 where it is counted during the run. */
  statements: number;
}

// Loading the parser takes longer than a small migration, so only SQL that may need it is parsed.
const CONTROL_WORDS = /\b(?:begin|start|commit|end|rollback|abort|prepare)\b/iy;
const NON_TRANSACTIONAL =
  /\b(?:concurrently|vacuum|reindex|cluster|(?:create|drop)\s+(?:database|tablespace|subscription)|alter\s+system)\b|set\s+tablespace/i;
const PSQL_ONLY = /^[ \t]*\\[a-z!.?]|\bfrom\s+std(?:in|out)\b/im;

/** Decides how a part runs, and refuses what would fail after some statements had run. */
export async function inspectPart(part: Part): Promise<Runnable> {
  const { directives, sql } = part;
  if (part.large) return { part, sql, mode: "large", statements: 0 };
  if (directives.backfill || directives.noTransaction) assertNoCopy(part);
  if (directives.backfill) return { part, sql, mode: "backfill", statements: 0 };
  const pieces = piecesOf(sql);
  const plain: Runnable = { part, sql, mode: "transaction", statements: countStatements(pieces) };
  const needsParser =
    directives.noTransaction ||
    pieces.some(startsWithControl) ||
    NON_TRANSACTIONAL.test(sql) ||
    PSQL_ONLY.test(sql) ||
    MAY_CHANGE_STRINGS.test(sql);
  if (!needsParser || isBlank(sql)) return plain;
  const statements = await parsePart(part);
  if (directives.noTransaction) return { ...plain, mode: "no-transaction" };
  return planOneTransaction(plain, statements);
}

function startsWithControl({ text, words }: Piece): boolean {
  CONTROL_WORDS.lastIndex = words;
  return CONTROL_WORDS.test(text);
}

/** The rows of COPY and the record of the statement commit together only in one transaction. */
function assertNoCopy(part: Part): void {
  const [copy] = part.copies ?? [];
  if (!copy) return;
  throw mistake(
    `${formatPlace(part, copy.start)}: COPY with rows does not run in a no-transaction file or a backfill; move it with its rows to a separate file, or write INSERT (pg_dump --inserts writes it)`,
  );
}

/** Refuses what the parser rejects, COPY without its rows, BEGIN with a mode, and strings with escapes. */
async function parsePart(part: Part): Promise<Statement[]> {
  try {
    const statements = await splitStatements(part.sql);
    const copy = statements.find(
      ({ type, node, start }) =>
        type === "CopyStmt" &&
        node.is_from &&
        !node.filename &&
        !part.copies?.some((known) => known.start === start),
    );
    if (!copy) {
      for (const statement of statements) assertSameForServer(part, statement);
      return statements;
    }
    throw mistake(
      `${formatPlace(part, copy.start)}: this COPY has no rows; end it with a semicolon, and write the rows and a line "\\." below it`,
    );
  } catch (error) {
    if (!(error instanceof ParseFailure)) throw error;
    throw explainParseFailure(part.sql, error, formatPlace(part, error.index));
  }
}

/** Refuses what would run differently than it is written. */
function assertSameForServer(part: Part, statement: Statement): void {
  const where = formatPlace(part, statement.start);
  if (turnsBackslashesOn(statement)) {
    throw mistake(
      `${where}: "${statement.text}" does not change how the strings of this file are read, because pgstead reads the file before it runs; remove it, and write strings with backslashes as E'...'`,
    );
  }
  if (classifyStatement(statement) === "begin" && hasTransactionModes(statement)) {
    throw mistake(
      `${where}: pgstead does not keep the transaction mode of "${statement.text}"; write BEGIN, and the mode below it as SET TRANSACTION`,
    );
  }
}

function planOneTransaction(plain: Runnable, statements: Statement[]): Runnable {
  const { part } = plain;
  const outside = statements.filter((one) => isNonTransactional(classifyStatement(one)));
  const [first] = outside;
  if (!first) {
    const own = statements.filter((one) => !isBeginOrCommit(one));
    return { ...plain, sql: blankBeginAndCommit(part, statements), statements: own.length };
  }
  // The file contains nothing else, so no other statement must be atomic with it.
  if (outside.length === statements.length) return { ...plain, mode: "no-transaction" };
  throw mistake(
    `${formatPlace(part, first.start)}: this statement cannot run in a transaction; move it to a separate file, or begin this file with "-- migrate:no-transaction"`,
  );
}

const isBeginOrCommit = (one: Statement) => ["begin", "commit"].includes(classifyStatement(one));

/** A BEGIN with its COMMIT is not needed, because a file is one transaction. One without the other is refused. */
function blankBeginAndCommit(part: Part, statements: Statement[]): string {
  const pieces: string[] = [];
  let [from, open]: [number, Statement | undefined] = [0, undefined];
  let local: Statement | undefined;
  let isOver = false;
  for (const statement of statements) {
    const kind = classifyStatement(statement);
    if (open && endsWithTransaction(statement)) local ??= statement;
    if (local && isOver) {
      throw mistake(
        `${formatPlace(part, local.start)}: this statement ends with its COMMIT, but the file is one transaction, so it would last for the statements below too; move them to a separate file, or begin this file with "-- migrate:no-transaction"`,
      );
    }
    if (kind === "commit" && local) isOver = true;
    if (kind !== "begin" && kind !== "commit" && kind !== "rollback") continue;
    const word = statement.text.split(/\s/, 1)[0]?.toUpperCase();
    if (kind === "rollback") {
      throw mistake(
        `${formatPlace(part, statement.start)}: ${word} would undo the transaction of the file; remove it`,
      );
    }
    if ((kind === "begin") === Boolean(open)) {
      throw mistake(
        `${formatPlace(part, statement.start)}: ${word} without its ${open ? "COMMIT" : "BEGIN"}; remove it, because each file is one transaction`,
      );
    }
    open = kind === "begin" ? statement : undefined;
    pieces.push(part.sql.slice(from, statement.start), " ".repeat(statement.end - statement.start));
    from = statement.end;
  }
  if (open) {
    throw mistake(
      `${formatPlace(part, open.start)}: BEGIN without its COMMIT; remove it, because each file is one transaction`,
    );
  }
  return [...pieces, part.sql.slice(from)].join("");
}

export const formatPlace = (part: Part, index: number) =>
  `${part.path}:${part.firstLine + findLineNumber(part.sql, index) - 1}`;
