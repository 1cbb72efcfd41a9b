import type { Statement } from "./statements.ts";

/**
 * How a statement outside a transaction is recorded, and what a kill between it and its record means.
 * - `transactional`: commits together with its record.
 * - `catalog`: cannot; whether it happened is read from the catalog, or running it again is harmless.
 * - `unknowable`: cannot, and nobody can tell; a person decides.
 * - `attempt`: runs in a transaction if it can (`CALL`, `DO`), else is unknowable.
 * - `setting`: changes the session only, so it is run again on resume.
 */
export type StatementKind =
  | "transactional"
  | "catalog"
  | "unknowable"
  | "attempt"
  | "setting"
  | "begin"
  | "commit"
  | "rollback";

export function kindOf({ type, node, text }: Statement): StatementKind {
  switch (type) {
    case "VariableSetStmt":
      return "setting";
    case "TransactionStmt":
      return transactionKind(String(node.kind));
    case "IndexStmt":
    case "DropStmt":
      return node.concurrent ? "catalog" : "transactional";
    case "ReindexStmt":
      return isConcurrent(node) || /SCHEMA|SYSTEM|DATABASE/.test(String(node.kind))
        ? "catalog"
        : "transactional";
    case "VacuumStmt":
      return node.is_vacuumcmd ? "catalog" : "transactional";
    case "ClusterStmt":
      return node.relation ? "transactional" : "catalog";
    case "AlterSystemStmt":
      return "catalog";
    case "AlterTableStmt":
      return detachesConcurrently(node) ? "catalog" : "transactional";
    case "CallStmt":
    case "DoStmt":
      return "attempt";
    case "CreateSubscriptionStmt":
    case "DropSubscriptionStmt":
    case "CreatedbStmt":
    case "DropdbStmt":
    case "CreateTableSpaceStmt":
    case "DropTableSpaceStmt":
      return "unknowable";
    case "AlterDatabaseStmt":
      return /set\s+tablespace/i.test(text) ? "unknowable" : "transactional";
    default:
      return "transactional";
  }
}

/** Can never run in the one transaction a file has. */
export const leavesTransaction = (kind: StatementKind) =>
  kind === "catalog" || kind === "unknowable";

function transactionKind(kind: string): StatementKind {
  if (/BEGIN|START/.test(kind)) return "begin";
  if (/COMMIT/.test(kind) && !/PREPARED/.test(kind)) return "commit";
  // Savepoints nest inside; two-phase commit would take the transaction out of our hands.
  return /SAVEPOINT|RELEASE|ROLLBACK_TO/.test(kind) ? "transactional" : "rollback";
}

const isConcurrent = (node: Record<string, unknown>) =>
  ((node.params as Param[] | undefined) ?? []).some(
    ({ DefElem }) => DefElem?.defname === "concurrently",
  );

interface Param {
  DefElem?: { defname?: string };
}

interface Command {
  AlterTableCmd?: { subtype?: string; def?: { PartitionCmd?: { concurrent?: boolean } } };
}

const detachesConcurrently = (node: Record<string, unknown>) =>
  ((node.cmds as Command[] | undefined) ?? []).some(
    ({ AlterTableCmd }) => AlterTableCmd?.def?.PartitionCmd?.concurrent,
  );
