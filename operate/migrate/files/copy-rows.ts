import { mistake } from "../../error.ts";
import { type Piece, StatementScanner } from "../../statement-scanner.ts";

/** A COPY with the rows below it. The indexes count in the text that contains them. */
export interface CopyRows {
  /** Where the COPY begins. */
  start: number;
  /** The end of its line. The rows begin there. */
  from: number;
  /** Behind the line `\.` */
  end: number;
  /** The line of the file with the first row. */
  line: number;
  rows: Iterable<string>;
}

/** What psql reads in a file besides SQL: the rows of COPY, and pg_dump's `\restrict`. */
export interface Script {
  /** The text with spaces for them, so that the places in it stay the same. */
  sql: string;
  copies: CopyRows[];
}

const MAY_HAVE_THEM = /\bstd(?:in|out)\b|\\(?:un)?restrict\b/i;

/** `isCut`: the text is only the beginning of a file, so its last rows may have no end. */
export function readScript(path: string, text: string, { isCut = false } = {}): Script {
  const copies: CopyRows[] = [];
  if (!MAY_HAVE_THEM.test(text)) return { sql: text, copies };
  const sql: string[] = [];
  let [index, line] = [0, 1];
  let [start, from, rows] = [0, 0, ""];
  let last: Piece["kind"] = "statement";
  for (const piece of new StatementScanner({ script: true }).push(text, true)) {
    last = piece.kind;
    if (last === "copy") [start, rows] = [index + piece.words, ""];
    else if (last === "line rest") assertLineRest(path, line, piece.text);
    else if (last === "rows") rows = piece.text;
    sql.push(blankCommand(piece));
    index += piece.text.length;
    line += countLineBreaks(piece.text);
    if (last === "line rest") from = index;
    if (last !== "rows end") continue;
    const first = line - countLineBreaks(rows + piece.text);
    copies.push({ start, from, end: index, line: first, rows: [rows] });
  }
  if (!isCut) assertRowsEnd(path, line, last);
  // The scanner drops blanks at the end.
  return { sql: sql.join("") + text.slice(index), copies };
}

/** The piece with spaces for what is not SQL. */
export function blankCommand({ kind, text, words }: Piece): string {
  if (kind === "restrict") return text.slice(0, words) + blank(text.slice(words));
  return kind === "rows" || kind === "rows end" ? blank(text) : text;
}

const blank = (text: string) => text.replace(/[^\r\n]/g, " ");

/** psql runs what follows on the line after it has read the rows. */
export function assertLineRest(path: string, line: number, text: string): void {
  if (/^\s*(?:--.*)?\s*$/.test(text)) return;
  throw mistake(
    `${path}:${line}: "${text.trim()}" is on the line of a COPY whose rows follow; move it below the line "\\."`,
  );
}

export function assertRowsEnd(path: string, line: number, last: Piece["kind"]): void {
  if (last !== "copy" && last !== "line rest" && last !== "rows") return;
  throw mistake(
    `${path}:${line}: the rows after COPY ... FROM stdin have no end; write a line "\\." below them`,
  );
}

/** The copies in a range of the text, with indexes in that range. */
export const sliceCopies = (copies: CopyRows[], start: number, end: number): CopyRows[] =>
  copies.filter((one) => one.start >= start && one.end <= end).map((one) => moveCopy(one, -start));

export const moveCopy = (copy: CopyRows, by: number): CopyRows => ({
  ...copy,
  start: copy.start + by,
  from: copy.from + by,
  end: copy.end + by,
});

export function countLineBreaks(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
