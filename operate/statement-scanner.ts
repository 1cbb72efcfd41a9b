type State = "sql" | "line comment" | "block comment" | "quote" | "name" | "dollar";

/**
 * - `restrict`: the command with which pg_dump guards its output; `words` is the index of its backslash.
 * - `copy`: a COPY that reads rows from the client. `line rest` is what follows it on its line.
 * - `rows`: complete lines of its data. `rows end` is the line `\\.`
 */
type PieceKind = "statement" | "restrict" | "copy" | "line rest" | "rows" | "rows end";

export interface Piece {
  kind: PieceKind;
  /** With its semicolon, and with the blanks and comments before the statement. */
  text: string;
  /** Index in `text` of its first word, past blanks and comments; its length where it has none. */
  words: number;
  /** From the first word on, with a space for what quotes, dollars and comments hide. */
  bare?: string;
}

/** What may begin another state, or end a statement. */
const MARK = /[;'"$()]|--|\/\*/g;
/** The body of a routine may be statements as they are: `BEGIN ATOMIC ...; ...; END`. */
const ROUTINE = /create\s+(?:or\s+replace\s+)?(?:function|procedure)\b/iy;
const MARK_IN_ROUTINE = /[;'"$()]|--|\/\*|\b(?:begin|case|end)\b/gi;
const BLANK = /\s+/y;
const RESTRICT = /\\(?:un)?restrict[ \t]+[A-Za-z0-9]{1,200}[ \t]*\r?(?:\n|$)/y;
const COPY = /copy\b/iy;
/** In a statement without its quotes: the query of `COPY (SELECT ... FROM stdin) TO` is in parentheses. */
const COPY_FROM_CLIENT = /^copy\b[^()]*(?:\([^()]*\)[^()]*)?\bfrom\b[^\w"'$()]*\bstd(?:in|out)\b/is;
/** A token may go on in the next text: `-` and `-`, `$ta` and `g$`, or a line with RESTRICT. */
const LOOK_AHEAD = 256;
const TAG = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;

/**
 * Splits SQL into statements as it arrives, so that a file too large for a parser needs no memory. It
 * knows what Postgres's lexer knows of semicolons (quotes, comments, dollar quotes), and not what
 * statements mean. It reads each character once: a regular expression over repeated comments needs
 * time that doubles with each dash.
 */
export class StatementScanner {
  /** Moves so far, each past at least one character. */
  steps = 0;
  private rest = "";
  private at = 0;
  private words: number | undefined;
  private state: State = "sql";
  private escapes = false;
  private depth = 0;
  private parentheses = 0;
  private routine = false;
  private bodies = 0;
  private tag = "";
  /** What stands outside quotes and comments, from the first word on; kept only when asked for. */
  private bare: string | undefined;
  /** The text has rows after COPY and RESTRICT, as psql reads a file. */
  private readonly isScript: boolean;
  private kind: PieceKind = "statement";

  constructor({ bare = false, script = false } = {}) {
    if (bare) this.bare = "";
    this.isScript = script;
  }

  /** The statements that `text` completes. */
  push(text: string, last = false): Piece[] {
    this.rest += text;
    const complete: Piece[] = [];
    let start = 0;
    for (;;) {
      const end = this.kind === "statement" ? this.next(last) : this.nextLine(last);
      if (end === undefined) break;
      complete.push(this.piece(start, end));
      start = end;
    }
    if (last && this.rest.slice(start).trim() !== "") {
      complete.push(this.piece(start, this.rest.length));
    }
    this.rest = this.rest.slice(start);
    this.at -= start;
    if (this.words !== undefined) this.words -= start;
    return complete;
  }

  private piece(start: number, end: number): Piece {
    const words = (this.words ?? end) - start;
    this.words = undefined;
    this.parentheses = 0;
    this.bodies = 0;
    const text = this.rest.slice(start, end);
    const piece = { kind: this.passKind(text, words), text, words };
    if (this.bare === undefined) return piece;
    const { bare } = this;
    this.bare = "";
    return { ...piece, bare };
  }

  /** The kind of this piece, and what the next one is. */
  private passKind(text: string, words: number): PieceKind {
    const { kind } = this;
    if (kind === "line rest") this.kind = "rows";
    else if (kind !== "rows") this.kind = "statement";
    if (kind !== "statement" || !this.isScript) return kind;
    COPY.lastIndex = words;
    if (!COPY.test(text) || !text.endsWith(";") || !bareStatements(text).some(isCopyFromClient))
      return kind;
    this.kind = "line rest";
    return "copy";
  }

  /** Moves on to the end of a line, or of all complete lines of data before the line `\\.` */
  private nextLine(last: boolean): number | undefined {
    const { rest, at: from } = this;
    while (this.at < rest.length) {
      this.steps++;
      const line = this.at;
      const found = rest.indexOf("\n", line);
      if (found === -1 && !last) break;
      const end = found === -1 ? rest.length : found + 1;
      if (this.kind === "rows" && /^\\\.\r?\n?$/.test(rest.slice(line, Math.min(end, line + 5)))) {
        if (line > from) return line;
        this.kind = "rows end";
      }
      this.at = end;
      if (this.kind !== "rows") return end;
    }
    return this.at > from ? this.at : undefined;
  }

  /** Moves on to the end of the current statement; undefined where the text ends before it does. */
  private next(last: boolean): number | undefined {
    const limit = last ? this.rest.length : this.rest.length - LOOK_AHEAD;
    while (this.at < limit) {
      this.steps++;
      const from = this.at;
      const isHidden = this.state !== "sql";
      const isEnd = !isHidden && this.enter(limit);
      if (isHidden) this.leave(limit);
      if (this.bare !== undefined && this.words !== undefined) {
        this.bare += isHidden ? " " : this.rest.slice(from, this.at);
      }
      if (isEnd) return this.at;
    }
    return undefined;
  }

  /** True at the semicolon that ends a statement. */
  private enter(limit: number): boolean {
    const { rest } = this;
    if (this.words === undefined && !this.beginWords()) return this.kind === "restrict";
    const at = find(this.routine ? MARK_IN_ROUTINE : MARK, rest, this.at);
    const mark = at < limit ? rest[at]?.toLowerCase() : undefined;
    this.at = Math.min(at, limit) + (mark ? 1 : 0);
    if (mark === "'") {
      this.state = "quote";
      this.escapes = /(?:^|[^\w$])e$/i.test(rest.slice(Math.max(0, at - 2), at));
    } else if (mark === '"') this.state = "name";
    else if (mark === "$") this.enterDollar(at);
    else if (mark === "-" || mark === "/") this.enterComment(mark);
    else if (mark === "(") this.parentheses++;
    else if (mark === ")") this.parentheses--;
    else if (mark === "b" || mark === "c" || mark === "e") this.enterBody(mark);
    // The actions of a rule stand in parentheses.
    return mark === ";" && this.parentheses <= 0 && this.bodies === 0;
  }

  /** Past one blank or into one comment; true at the first word. */
  private beginWords(): boolean {
    BLANK.lastIndex = this.at;
    const two = this.rest.slice(this.at, this.at + 2);
    if (BLANK.test(this.rest)) this.at = BLANK.lastIndex;
    else if (two === "--" || two === "/*") {
      this.at++;
      this.enterComment(two[0] as string);
    } else if (this.isScript && two[0] === "\\" && this.passRestrict()) return false;
    else {
      this.words = this.at;
      ROUTINE.lastIndex = this.at;
      this.routine = ROUTINE.test(this.rest);
      return true;
    }
    return false;
  }

  private passRestrict(): boolean {
    RESTRICT.lastIndex = this.at;
    if (!RESTRICT.test(this.rest)) return false;
    this.words = this.at;
    this.at = RESTRICT.lastIndex;
    this.kind = "restrict";
    return true;
  }

  private enterComment(first: string): void {
    this.state = first === "-" ? "line comment" : "block comment";
    this.depth = 1;
    this.at++;
  }

  /** Only a body has a CASE whose END could be taken for its own; a parameter may be called `begin`. */
  private enterBody(first: "b" | "c" | "e"): void {
    if (this.parentheses > 0) return;
    if (first === "b" || (first === "c" && this.bodies > 0)) this.bodies++;
    else if (first === "e" && this.bodies > 0) this.bodies--;
  }

  private enterDollar(at: number): void {
    if (/[\w$]/.test(this.rest[at - 1] ?? "")) return;
    TAG.lastIndex = at;
    const tag = TAG.exec(this.rest)?.[0];
    if (!tag) return;
    this.at = at + tag.length;
    this.state = "dollar";
    this.tag = tag;
  }

  private leave(limit: number): void {
    const { rest, at } = this;
    if (this.state === "line comment") this.leaveAt(rest.indexOf("\n", at), 1, limit);
    else if (this.state === "dollar")
      this.leaveAt(rest.indexOf(this.tag, at), this.tag.length, limit);
    else if (this.state === "name") this.leaveAt(rest.indexOf('"', at), 1, limit);
    else if (this.state === "block comment") this.inComment(limit);
    else this.inQuote(limit);
  }

  private leaveAt(found: number, length: number, limit: number): void {
    if (found === -1 || found >= limit) this.at = limit;
    else {
      this.at = found + length;
      this.state = "sql";
    }
  }

  private inQuote(limit: number): void {
    const at = find(this.escapes ? /['\\]/g : /'/g, this.rest, this.at);
    if (at >= limit) this.at = limit;
    else if (this.rest[at] === "\\" || this.rest[at + 1] === "'") this.at = at + 2;
    else this.leaveAt(at, 1, limit);
  }

  /** Postgres nests them. */
  private inComment(limit: number): void {
    const at = find(/\/\*|\*\//g, this.rest, this.at);
    if (at >= limit) {
      this.at = limit;
      return;
    }
    this.depth += this.rest[at] === "/" ? 1 : -1;
    this.at = at + 2;
    if (this.depth === 0) this.state = "sql";
  }
}

/** Index of the next match; the text's length where there is none. */
function find(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(text)?.index ?? text.length;
}

export const piecesOf = (sql: string) => new StatementScanner().push(sql, true);

/** Index of the first statement, past blanks and comments; the length of `sql` if it has none. */
export const findFirstStatement = (sql: string) => piecesOf(sql)[0]?.words ?? sql.length;

/** The statements without what a quote, a dollar quote or a comment hides. */
export const bareStatements = (sql: string): string[] =>
  new StatementScanner({ bare: true }).push(sql, true).map(({ bare = "" }) => bare);

/** For a statement of `bareStatements`. Grammar and server read STDOUT like STDIN here. */
export const isCopyFromClient = (bare: string) => COPY_FROM_CLIENT.test(bare);

/** Does not count a statement of blanks and a semicolon only. */
export const countStatements = (pieces: Piece[]) =>
  pieces.filter(({ text, words }) => words < text.length && text[words] !== ";").length;
