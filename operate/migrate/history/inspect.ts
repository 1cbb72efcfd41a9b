import { mistake } from "../../error.ts";
import { countStatements, type Piece, piecesOf } from "../../statement-scanner.ts";
import { lineAt, type Part } from "../files/source.ts";
import { kindOf, leavesTransaction } from "../sql/statement-kind.ts";
import {
  explainFailure,
  isBlank,
  ParseFailure,
  type Statement,
  splitStatements,
} from "../sql/statements.ts";

/** A part that may run: how, and its SQL with what is ours to say (BEGIN, COMMIT) blanked out. */
export interface Runnable {
  part: Part;
  sql: string;
  mode: "transaction" | "no-transaction" | "backfill" | "large";
  /** How many will have run, in one transaction that records it; 0 where that is told as it goes. */
  statements: number;
}

// Loading the parser costs more than a small migration; only what could need it is parsed.
const CONTROL = /\b(?:begin|start|commit|end|rollback|abort|prepare)\b/iy;
const OUTSIDE =
  /\b(?:concurrently|vacuum|reindex|cluster|(?:create|drop)\s+(?:database|tablespace|subscription)|alter\s+system)\b|set\s+tablespace/i;
const FOR_PSQL = /^[ \t]*\\[a-z!.?]|\bfrom\s+stdin\b/im;

/** Refuses before anything has run what would break half-way. */
export async function inspect(part: Part): Promise<Runnable> {
  const { directives, sql } = part;
  if (part.large) return { part, sql, mode: "large", statements: 0 };
  if (sql.trim() === "" && !part.isDown) {
    throw mistake(`${part.path} is empty; write its SQL, or delete the file`);
  }
  if (directives.backfill) return { part, sql, mode: "backfill", statements: 0 };
  const pieces = piecesOf(sql);
  const plain: Runnable = { part, sql, mode: "transaction", statements: countStatements(pieces) };
  const needsParser =
    directives.noTransaction || pieces.some(isControl) || OUTSIDE.test(sql) || FOR_PSQL.test(sql);
  if (!needsParser || isBlank(sql)) return plain;
  const statements = await parsed(part);
  if (!statements) return plain;
  if (directives.noTransaction) return { ...plain, mode: "no-transaction" };
  return inOneTransaction(plain, statements);
}

function isControl({ text, words }: Piece): boolean {
  CONTROL.lastIndex = words;
  return CONTROL.test(text);
}

/** Undefined where the server's word counts more: its grammar may be newer than the parser's. */
async function parsed(part: Part): Promise<Statement[] | undefined> {
  try {
    const statements = await splitStatements(part.sql);
    const copy = statements.find(
      ({ type, node }) => type === "CopyStmt" && node.is_from && !node.filename,
    );
    if (!copy) return statements;
    throw mistake(
      `${where(part, copy.start)}: COPY ... FROM stdin is fed by psql; write INSERTs instead`,
    );
  } catch (error) {
    if (!(error instanceof ParseFailure)) throw error;
    throw explainFailure(part.sql, error, where(part, error.index));
  }
}

function inOneTransaction(plain: Runnable, statements: Statement[]): Runnable {
  const { part } = plain;
  const outside = statements.filter((one) => leavesTransaction(kindOf(one)));
  const [first] = outside;
  if (!first) {
    const own = statements.filter((one) => !isBracket(one));
    return { ...plain, sql: withoutBrackets(part, statements), statements: own.length };
  }
  // What other tools send as it is: nothing else in the file, so there is nothing to be atomic with.
  if (outside.length === statements.length) return { ...plain, mode: "no-transaction" };
  throw mistake(
    `${where(part, first.start)}: this statement cannot run in a transaction; give it a file of its own, or begin this one with "-- migrate:no-transaction"`,
  );
}

const isBracket = (one: Statement) => ["begin", "commit"].includes(kindOf(one));

/** `BEGIN; ... COMMIT;` around a file means what we do anyway; half of it would end our transaction. */
function withoutBrackets(part: Part, statements: Statement[]): string {
  const kept: string[] = [];
  let [from, open]: [number, Statement | undefined] = [0, undefined];
  for (const statement of statements) {
    const kind = kindOf(statement);
    if (kind !== "begin" && kind !== "commit" && kind !== "rollback") continue;
    const word = statement.text.split(/\s/, 1)[0]?.toUpperCase();
    if (kind === "rollback") {
      throw mistake(
        `${where(part, statement.start)}: ${word} would undo the file's own transaction; take it out`,
      );
    }
    if ((kind === "begin") === Boolean(open)) {
      throw mistake(
        `${where(part, statement.start)}: ${word} without its ${open ? "COMMIT" : "BEGIN"}; take it out, each file is one transaction`,
      );
    }
    open = kind === "begin" ? statement : undefined;
    kept.push(part.sql.slice(from, statement.start), " ".repeat(statement.end - statement.start));
    from = statement.end;
  }
  if (open) {
    throw mistake(
      `${where(part, open.start)}: BEGIN without its COMMIT; take it out, each file is one transaction`,
    );
  }
  return [...kept, part.sql.slice(from)].join("");
}

export const where = (part: Part, index: number) =>
  `${part.path}:${part.firstLine + lineAt(part.sql, index) - 1}`;
