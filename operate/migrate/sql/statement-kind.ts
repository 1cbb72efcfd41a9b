import type { Statement } from "./statements.ts";

/**
 * How a statement of a no-transaction file is recorded, and how a resumed run treats it (S8).
 * - `transactional`: commits together with its record.
 * - `catalog`: cannot run in a transaction. The catalog shows whether it ran, or a second run is harmless.
 * - `unknowable`: cannot run in a transaction, and nothing shows whether it ran. A person decides.
 * - `attempt`: runs in a transaction if it can. Otherwise `CALL` and `DO` are unknowable. A REINDEX or
 *   CLUSTER of a partitioned table and ALTER SUBSCRIPTION may run a second time, so they are `catalog`.
 * - `setting`: changes only the session, so it runs again on resume.
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

export function classifyStatement(statement: Statement): StatementKind {
  const { type, node, text } = statement;
  switch (type) {
    case "VariableSetStmt":
      return "setting";
    case "TransactionStmt":
      return classifyTransactionStatement(String(node.kind));
    case "IndexStmt":
    case "DropStmt":
      return node.concurrent ? "catalog" : "transactional";
    case "ReindexStmt":
      return isConcurrent(node) || /SCHEMA|SYSTEM|DATABASE/.test(String(node.kind))
        ? "catalog"
        : "attempt";
    case "VacuumStmt":
      return node.is_vacuumcmd ? "catalog" : "transactional";
    case "ClusterStmt":
      return node.relation ? "attempt" : "catalog";
    case "AlterSystemStmt":
      return "catalog";
    case "AlterTableStmt":
      return detachesConcurrently(node) ? "catalog" : "transactional";
    case "DiscardStmt":
      return isDiscardAll(statement) ? "setting" : "transactional";
    case "AlterSubscriptionStmt":
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

export const isDiscardAll = ({ type, node }: Statement) =>
  type === "DiscardStmt" && node.target === "DISCARD_ALL";

/** An `attempt` that must run outside a transaction. */
export const classifyOutside = ({ type }: Statement): "catalog" | "unknowable" =>
  type === "CallStmt" || type === "DoStmt" ? "unknowable" : "catalog";

/** Cannot run inside the transaction of a file. */
export const isNonTransactional = (kind: StatementKind) =>
  kind === "catalog" || kind === "unknowable";

function classifyTransactionStatement(kind: string): StatementKind {
  if (/BEGIN|START/.test(kind)) return "begin";
  if (/COMMIT/.test(kind) && !/PREPARED/.test(kind)) return "commit";
  // Savepoints are allowed inside. Two-phase commit is not: it would end the file's transaction.
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
