import { mistake } from "../error.ts";
import { piecesOf } from "./scanner.ts";
import { lineAt, type Part } from "./source.ts";
import { kindOf, leavesTransaction } from "./statement-kind.ts";
import {
  explainFailure,
  isBlank,
  ParseFailure,
  type Statement,
  splitStatements,
} from "./statements.ts";

/** A part that may run: how, and its SQL with what is ours to say (BEGIN, COMMIT) blanked out. */
export interface Runnable {
  part: Part;
  sql: string;
  mode: "transaction" | "no-transaction" | "backfill" | "large";
}

// Loading the parser costs more than a small migration; only what could need it is parsed.
const CONTROL = /\b(?:begin|start|commit|end|rollback|abort|prepare)\b/iy;
const OUTSIDE =
  /\b(?:concurrently|vacuum|reindex|cluster|(?:create|drop)\s+(?:database|tablespace|subscription)|alter\s+system)\b|set\s+tablespace/i;
const FOR_PSQL = /^[ \t]*\\[a-z!.?]|\bfrom\s+stdin\b/im;

/** Refuses before anything has run what would break half-way. */
export async function inspect(part: Part): Promise<Runnable> {
  const { directives, sql } = part;
  if (part.large) return { part, sql, mode: "large" };
  if (sql.trim() === "" && !part.isDown) {
    throw mistake(`${part.path} is empty; write its SQL, or delete the file`);
  }
  if (directives.backfill) return { part, sql, mode: "backfill" };
  const needsParser =
    directives.noTransaction || hasControl(sql) || OUTSIDE.test(sql) || FOR_PSQL.test(sql);
  if (!needsParser || isBlank(sql)) return { part, sql, mode: "transaction" };
  const statements = await parsed(part);
  if (!statements) return { part, sql, mode: "transaction" };
  if (directives.noTransaction) return { part, sql, mode: "no-transaction" };
  return inOneTransaction(part, statements);
}

function hasControl(sql: string): boolean {
  return piecesOf(sql).some(({ text, words }) => {
    CONTROL.lastIndex = words;
    return CONTROL.test(text);
  });
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

function inOneTransaction(part: Part, statements: Statement[]): Runnable {
  const outside = statements.filter((one) => leavesTransaction(kindOf(one)));
  if (outside.length > 0) {
    const [first] = outside as [Statement];
    // What other tools send as it is: nothing else in the file, so there is nothing to be atomic with.
    if (outside.length === statements.length)
      return { part, sql: part.sql, mode: "no-transaction" };
    throw mistake(
      `${where(part, first.start)}: this statement cannot run in a transaction; give it a file of its own, or begin this one with "-- migrate:no-transaction"`,
    );
  }
  return { part, sql: withoutBrackets(part, statements), mode: "transaction" };
}

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
