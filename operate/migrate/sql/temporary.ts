import type { Statement } from "./statements.ts";

interface Relation {
  schemaname?: string;
  relpersistence?: string;
}

interface Select {
  intoClause?: { rel?: Relation };
  larg?: Select;
}

/** The parse tree shows it: a column may be named `temp` too. */
export function createsTemporary(statement: Statement): boolean {
  const relation = findCreated(statement);
  return relation?.relpersistence === "t" || relation?.schemaname === "pg_temp";
}

function findCreated({ type, node }: Statement): Relation | undefined {
  switch (type) {
    case "CreateStmt":
      return node.relation as Relation;
    case "CreateTableAsStmt":
      return (node.into as { rel?: Relation } | undefined)?.rel;
    case "ViewStmt":
      return node.view as Relation;
    case "CreateSeqStmt":
      return node.sequence as Relation;
    case "SelectStmt":
      return findSelectTarget(node as Select);
    default:
      return undefined;
  }
}

/** INTO of a UNION is in its first SELECT. */
const findSelectTarget = ({ intoClause, larg }: Select): Relation | undefined =>
  intoClause?.rel ?? (larg && findSelectTarget(larg));
