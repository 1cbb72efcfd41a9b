import { mistake } from "../../error.ts";
import type { Part } from "../files/source.ts";
import { formatPlace } from "../history/inspect-part.ts";
import { classifyStatement, type StatementKind } from "../sql/statement-kind.ts";
import { type Statement, splitStatements } from "../sql/statements.ts";

/** The statements that run and are recorded together: one, or those between BEGIN and COMMIT. */
export interface Unit {
  kind: StatementKind;
  sql: string;
  start: number;
  statement: Statement;
}

const TEMPORARY = /^(?:create|select)\b[\s\S]*?\btemp(?:orary)?\b/i;

export async function splitUnits(part: Part): Promise<Unit[]> {
  const units: Unit[] = [];
  let open: Statement | undefined;
  for (const statement of await splitStatements(part.sql)) {
    const kind = classifyStatement(statement);
    const line = () => formatPlace(part, statement.start);
    if (isTemporary(statement)) {
      throw mistake(
        `${line()}: a temporary table does not exist when the file is resumed; use a normal table and drop it at the end`,
      );
    }
    if (kind === "rollback" || (kind === "commit" && !open) || (kind === "begin" && open)) {
      throw mistake(
        `${line()}: "${statement.text}" is not allowed here; a BEGIN needs its COMMIT, and nothing else ends a transaction`,
      );
    }
    if (kind === "begin") open = statement;
    else if (kind === "commit" && open) {
      units.push(buildBlock(part, open, statement));
      open = undefined;
    } else if (!open) {
      units.push({ kind, sql: statement.text, start: statement.start, statement });
    }
  }
  if (open)
    throw mistake(
      `${formatPlace(part, open.start)}: BEGIN without its COMMIT; add the COMMIT, or remove the BEGIN`,
    );
  return units;
}

function buildBlock(part: Part, open: Statement, close: Statement): Unit {
  const start = open.end + 1;
  const sql = part.sql.slice(start, close.start);
  return { kind: "transactional", sql, start, statement: open };
}

const isTemporary = ({ type, text }: Statement) =>
  (type === "CreateStmt" || type === "CreateTableAsStmt" || type === "SelectStmt") &&
  (type === "SelectStmt" ? /\binto\s+temp/i.test(text) : TEMPORARY.test(text.slice(0, 60)));
