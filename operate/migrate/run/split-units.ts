import { mistake } from "../../error.ts";
import type { Part } from "../files/source.ts";
import { formatPlace } from "../history/inspect-part.ts";
import { classifyStatement, isDiscardAll, type StatementKind } from "../sql/statement-kind.ts";
import { type Statement, splitStatements } from "../sql/statements.ts";
import { createsTemporary } from "../sql/temporary.ts";

/** The statements that run and are recorded together: one, or those between BEGIN and COMMIT. */
export interface Unit {
  kind: StatementKind;
  sql: string;
  start: number;
  statement: Statement;
}

/** DISCARD ALL itself would release our locks and give up the role of the file (S8). */
const DISCARD_ALL =
  "close all; reset all; deallocate all; unlisten *; discard plans; discard temp; discard sequences";

export async function splitUnits(part: Part): Promise<Unit[]> {
  const units: Unit[] = [];
  let open: Statement | undefined;
  for (const statement of await splitStatements(part.sql)) {
    const kind = classifyStatement(statement);
    const line = () => formatPlace(part, statement.start);
    if (createsTemporary(statement)) {
      throw mistake(
        `${line()}: a temporary table, view or sequence does not exist when the file is resumed; use a normal table and drop it at the end`,
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
      const sql = isDiscardAll(statement) ? DISCARD_ALL : statement.text;
      units.push({ kind, sql, start: statement.start, statement });
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
