import type { Statement } from "./statements.ts";

/** Text that may turn the setting off. */
export const MAY_CHANGE_STRINGS =
  /standard_conforming_strings(?!\s*(?:=|\bto\b)\s*'?(?:on|true)\b)/i;

const ON = /^(?:on|t(?:r(?:ue?)?)?|y(?:es?)?|1)$/i;

interface Constant {
  A_Const?: { sval?: { sval?: string }; ival?: { ival?: number } };
}

/** The server reads the strings of a message before it runs the first statement of it. */
export function turnsBackslashesOn({ type, node }: Statement): boolean {
  const { kind, name } = node as { kind?: string; name?: string };
  if (type !== "VariableSetStmt" || kind !== "VAR_SET_VALUE") return false;
  if (name?.toLowerCase() !== "standard_conforming_strings") return false;
  const { sval, ival } = (node.args as Constant[] | undefined)?.[0]?.A_Const ?? {};
  return !ON.test(sval?.sval ?? String(ival?.ival));
}

/** ISOLATION LEVEL, READ ONLY or DEFERRABLE behind BEGIN. */
export const hasTransactionModes = ({ node }: Statement) =>
  ((node.options as unknown[] | undefined) ?? []).length > 0;

/** SET LOCAL, SET TRANSACTION and ON COMMIT end with their transaction. */
export function endsWithTransaction({ type, node }: Statement): boolean {
  const into = node.into as { onCommit?: string } | undefined;
  if (type === "VariableSetStmt") return node.is_local === true || node.name === "TRANSACTION";
  const onCommit = type === "CreateStmt" ? node.oncommit : into?.onCommit;
  return onCommit === "ONCOMMIT_DROP" || onCommit === "ONCOMMIT_DELETE_ROWS";
}
