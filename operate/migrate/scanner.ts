type State = "sql" | "line comment" | "block comment" | "quote" | "name" | "dollar";

/**
 * Splits SQL that is too large for a parser to hold, as it comes in. It knows how Postgres's lexer
 * hides semicolons (quotes, comments, dollar quotes), not what statements mean.
 */
export class StatementScanner {
  private rest = "";
  private at = 0;
  private state: State = "sql";
  private escapes = false;
  private depth = 0;
  private tag = "";

  /** The statements that `text` completes, each with its semicolon and what stands before it. */
  push(text: string, last = false): string[] {
    this.rest += text;
    const complete: string[] = [];
    let start = 0;
    for (;;) {
      const end = this.next(last);
      if (end === undefined) break;
      complete.push(this.rest.slice(start, end));
      start = end;
    }
    this.rest = this.rest.slice(start);
    this.at -= start;
    if (last && this.rest.trim() !== "") complete.push(this.rest);
    return complete;
  }

  /** Moves on to the end of the current statement; undefined where the text ends before it does. */
  private next(last: boolean): number | undefined {
    const { rest } = this;
    // A token may go on in the next piece: `-` and `-`, `$ta` and `g$`.
    const limit = last ? rest.length : rest.length - 64;
    while (this.at < limit) {
      if (this.state === "sql") {
        if (rest[this.at] === ";") return ++this.at;
        this.enter(rest);
      } else this.leave(rest, limit);
    }
    return undefined;
  }

  private enter(rest: string): void {
    const two = rest.slice(this.at, this.at + 2);
    if (two === "--") this.state = "line comment";
    else if (two === "/*") {
      this.state = "block comment";
      this.depth = 1;
      this.at += 2;
    } else if (two[0] === "'") {
      this.state = "quote";
      this.escapes = /(?:^|[^\w$])e$/i.test(rest.slice(Math.max(0, this.at - 2), this.at));
      this.at++;
    } else if (two[0] === '"') {
      this.state = "name";
      this.at++;
    } else if (two[0] === "$" && !/[\w$]/.test(rest[this.at - 1] ?? "")) {
      const tag = /^\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/.exec(
        rest.slice(this.at, this.at + 64),
      );
      this.at += tag?.[0].length ?? 1;
      if (tag) {
        this.state = "dollar";
        this.tag = tag[0];
      }
    } else this.at++;
  }

  private leave(rest: string, limit: number): void {
    if (this.state === "line comment") this.leaveAt(rest.indexOf("\n", this.at), 1, limit);
    else if (this.state === "dollar") {
      this.leaveAt(rest.indexOf(this.tag, this.at), this.tag.length, limit);
    } else if (this.state === "name") this.leaveAt(rest.indexOf('"', this.at), 1, limit);
    else if (this.state === "block comment") this.inComment(rest.slice(this.at, this.at + 2));
    else if (this.escapes && rest[this.at] === "\\") this.at += 2;
    else if (rest[this.at++] === "'") this.state = "sql";
  }

  private leaveAt(found: number, length: number, limit: number): void {
    if (found === -1 || found >= limit) this.at = limit;
    else {
      this.at = found + length;
      this.state = "sql";
    }
  }

  /** Postgres nests them. */
  private inComment(two: string): void {
    if (two === "/*") this.depth++;
    else if (two === "*/") this.depth--;
    this.at += two === "/*" || two === "*/" ? 2 : 1;
    if (this.depth === 0) this.state = "sql";
  }
}
