/** A comment that a migration tool reads as an instruction, or that looks like one. */
export interface Mark {
  /** Index of its `--`. */
  index: number;
  /** Line of the text, from 1. */
  line: number;
  /** From the `--` to the end of the line. */
  text: string;
  /** What follows the prefix. */
  command: string;
  /** Nothing precedes it in its line, and it has two dashes. */
  startsLine: boolean;
}

/**
 * Finds the lines whose first comment begins with `prefix`, the source of a regular expression. Line by
 * line, as the tools themselves read their files: a line inside a string or a function body counts too.
 */
export function findMarks(sql: string, prefix: string): Mark[] {
  if (!new RegExp(`--[^\\S\\r\\n]*${prefix}`, "i").test(sql)) return [];
  const pattern = new RegExp(
    `^((?:(?!--)[^\\r\\n])*)(-{2,}[^\\S\\r\\n]*${prefix}([^\\r\\n]*))`,
    "gim",
  );
  let [line, counted] = [1, 0];
  return [...sql.matchAll(pattern)].map(
    ({ index: start, 1: before = "", 2: text = "", 3: command = "" }) => {
      const index = start + before.length;
      line += sql.slice(counted, index).split("\n").length - 1;
      counted = index;
      const startsLine = before === "" && !text.startsWith("---");
      return { index, line, text: text.trimEnd(), command: command.trim(), startsLine };
    },
  );
}
