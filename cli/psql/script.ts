import { createReadStream, existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import type { Readable } from "node:stream";
import { mistake } from "../../operate/error.ts";

/**
 * A script for a psql that cannot read files of this machine: a line `\i FILE` becomes the lines of that
 * file. Other commands that name a file are refused. Read as latin1, which keeps every byte.
 */
export async function* expandScript(path: string, stdin: Readable): AsyncGenerator<Buffer> {
  const lines = new ScriptLines();
  yield* expand(path, stdin, lines, []);
}

/** Reads scripts to their end without running them, so that what is wrong shows first. */
export async function checkScripts(paths: string[]): Promise<void> {
  for (const path of paths) {
    if (path === "-") continue;
    for await (const _ of expandScript(path, process.stdin));
  }
}

/** `-c '\i FILE'` and the like. */
export function assertNoFileCommand(command: string): void {
  const include = INCLUDE.exec(command);
  if (include) throw mistake(`use "pgstead psql -f FILE" instead of -c '${command.trim()}'`);
  refuseFiles(command, `-c '${command.trim()}'`);
}

const INCLUDE = /^\s*\\(?:i|ir|include|include_relative)(?:[ \t]+(.*?))?\s*$/;
const IS_RELATIVE = /^\s*\\(?:ir|include_relative)\b/;

async function* expand(
  path: string,
  stdin: Readable,
  state: ScriptLines,
  parents: string[],
): AsyncGenerator<Buffer> {
  const file = path === "-" ? "-" : resolve(path);
  if (parents.includes(file)) throw mistake(`${file} includes itself`);
  let number = 0;
  for await (const lines of linesOf(path === "-" ? stdin : open(file))) {
    let kept = "";
    for (const line of lines) {
      number++;
      const where = `${path === "-" ? "stdin" : path}:${number}`;
      const command = state.commandIn(line);
      const include = command === undefined ? null : INCLUDE.exec(command);
      if (command !== undefined) refuseFiles(command, where);
      if (command === undefined || !include) {
        kept += line;
        continue;
      }
      if (!state.isBetweenStatements) {
        throw mistake(`${where}: ${line.trim()} stands inside a statement; end it with ; first`);
      }
      yield Buffer.from(kept + line.slice(0, line.length - command.length), "latin1");
      kept = "";
      const base = IS_RELATIVE.test(command) && path !== "-" ? dirname(file) : ".";
      yield* expand(includedFile(include[1], base, where), stdin, state, [...parents, file]);
      // A file may end without a line break.
      yield Buffer.from("\n");
    }
    if (kept !== "") yield Buffer.from(kept, "latin1");
  }
}

function open(path: string): Readable {
  if (existsSync(path)) return createReadStream(path);
  throw mistake(`${path}: no such file`);
}

function includedFile(argument: string | undefined, base: string, where: string): string {
  const text = Buffer.from(argument ?? "", "latin1").toString();
  const quoted = /^'((?:[^']|'')*)'$/.exec(text)?.[1]?.replaceAll("''", "'");
  if (quoted === undefined && /^$|[\s:`'"\\]/.test(text)) {
    throw mistake(
      `${where}: \\i takes one file name here, without variables: ${text || "nothing"}`,
    );
  }
  const name = (quoted ?? text).replace(/^~(?=\/)/, homedir());
  const path = resolve(base, name);
  if (!existsSync(path)) throw mistake(`${where}: ${name}: no such file`);
  return path;
}

const WRITES: [RegExp, string][] = [
  [/\\(?:o|out)[ \t]+\S/, '"pgstead psql -o FILE" or "> FILE" writes a file here'],
  [/\\(?:w|write)[ \t]+\S/, '"> FILE" writes a file here'],
  [/\\gx?[ \t]+(?:\([^)]*\)[ \t]*)?[^\s()]/, '"> FILE" writes a file here'],
];

const COPY_HINT =
  "pgstead psql -c '\\copy TABLE from pstdin' < FILE, or '... to pstdout' > FILE, uses a file here";

function refuseFiles(command: string, where: string): void {
  const hint = copiesFile(command)
    ? COPY_HINT
    : WRITES.find(([pattern]) => pattern.test(command))?.[1];
  if (hint === undefined) return;
  throw mistake(
    `${where}: ${command.trim()} would use a file in the server's container, where psql runs; ${hint}`,
  );
}

function copiesFile(command: string): boolean {
  if (!/^\s*\\copy\s/.test(command)) return false;
  // Columns, options and a query stand in parentheses.
  let text = command;
  for (let before = ""; before !== text; ) {
    before = text;
    text = text.replace(/\([^()]*\)/g, " ");
  }
  const source = /\b(?:from|to)\s+(\S+)/i.exec(text)?.[1];
  return source !== undefined && !/^p?std(?:in|out)\b/i.test(source);
}

/** The complete lines of each chunk: a promise for each line would cost more than to read it. */
async function* linesOf(stream: Readable): AsyncGenerator<string[]> {
  // Parts of one line, which may be much longer than a chunk.
  let begun: string[] = [];
  for await (const chunk of stream) {
    const text = Buffer.from(chunk).toString("latin1");
    const end = text.lastIndexOf("\n") + 1;
    if (end > 0) {
      yield (begun.join("") + text.slice(0, end)).split(/(?<=\n)/);
      begun = [];
    }
    if (end < text.length) begun.push(text.slice(end));
  }
  if (begun.length > 0) yield [begun.join("")];
}

/** Where a backslash begins another state, or a statement ends. */
const MARK = /[;'"$()\\]|--|\/\*/g;
const TAG = /\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/y;
const COPY_IN = /^\s*copy\b[\s\S]*\bfrom\s+stdin\b/i;
const BACKSLASH_COPY_IN = /^\s*\\copy\b[\s\S]*\bfrom\s+stdin\b/i;
/** Commands that send the statement before them, as `;` does. */
const SENDS = /\\(?:g|gx|gset|gexec|gdesc|crosstabview|watch|bind|parse)\b/y;

/**
 * Knows of each line of a script whether psql takes a backslash in it for a command: not in quotes, in
 * comments, nor in the data of a COPY.
 */
export class ScriptLines {
  private closing: string | undefined;
  private escapes = false;
  private depth = 0;
  private parentheses = 0;
  private statement = "";
  private isData = false;

  get isBetweenStatements(): boolean {
    return this.statement.trim() === "";
  }

  /** The part of the line from its first command on; undefined where it has none. */
  commandIn(line: string): string | undefined {
    if (this.isData) {
      this.isData = line.trimEnd() !== "\\.";
      return undefined;
    }
    let start = 0;
    for (let at = 0; at < line.length; ) {
      if (this.closing !== undefined) {
        const wasComment = this.closing === "*/";
        at = this.leave(line, at);
        if (wasComment) start = at;
        continue;
      }
      MARK.lastIndex = at;
      const found = MARK.exec(line);
      if (!found) break;
      const [mark] = found;
      at = found.index + mark.length;
      if (mark === "\\") {
        this.beginCommand(line, found.index, start);
        return line.slice(found.index);
      }
      if (mark === "--" || mark === "/*") {
        this.addText(line.slice(start, found.index));
        start = line.length;
        if (mark === "--") break;
      }
      if (mark === ";" && this.parentheses <= 0) {
        this.addText(line.slice(start, at));
        this.endStatement();
        start = at;
      } else at = this.enter(mark, line, found.index);
    }
    this.addText(line.slice(start));
    return undefined;
  }

  /** Its beginning is enough to know a COPY. */
  private addText(text: string): void {
    if (this.statement.length < 10_000) this.statement += text;
  }

  private beginCommand(line: string, at: number, start: number): void {
    SENDS.lastIndex = at;
    if (SENDS.test(line)) {
      this.addText(line.slice(start, at));
      this.endStatement();
    } else if (BACKSLASH_COPY_IN.test(line.slice(at))) this.isData = true;
    else this.addText(line.slice(start, at));
  }

  private endStatement(): void {
    this.isData = COPY_IN.test(this.statement);
    this.statement = "";
    this.parentheses = 0;
  }

  private enter(mark: string, line: string, at: number): number {
    if (mark === "'") {
      this.closing = "'";
      this.escapes = /(?:^|[^\w$])e$/i.test(line.slice(Math.max(0, at - 2), at));
    } else if (mark === '"') this.closing = '"';
    else if (mark === "/*") {
      this.closing = "*/";
      this.depth = 1;
    } else if (mark === "(") this.parentheses++;
    else if (mark === ")") this.parentheses--;
    else if (mark === "$" && !/[\w$]/.test(line[at - 1] ?? "")) {
      TAG.lastIndex = at;
      this.closing = TAG.exec(line)?.[0];
      if (this.closing) return at + this.closing.length;
    }
    return at + mark.length;
  }

  /** Index behind the end of a quote or comment, or of the line. */
  private leave(line: string, from: number): number {
    if (this.closing === "*/") return this.leaveComment(line, from);
    const closing = this.closing as string;
    for (let at = from; at < line.length; ) {
      const end = line.indexOf(closing, at);
      const backslash = closing === "'" && this.escapes ? line.indexOf("\\", at) : -1;
      if (backslash !== -1 && (end === -1 || backslash < end)) at = backslash + 2;
      else if (end === -1) return line.length;
      else if (closing.length === 1 && line[end + 1] === closing) at = end + 2;
      else {
        this.closing = undefined;
        return end + closing.length;
      }
    }
    return line.length;
  }

  /** Postgres nests them. */
  private leaveComment(line: string, from: number): number {
    const marks = /\/\*|\*\//g;
    marks.lastIndex = from;
    for (let found = marks.exec(line); found; found = marks.exec(line)) {
      this.depth += found[0] === "/*" ? 1 : -1;
      if (this.depth > 0) continue;
      this.closing = undefined;
      return marks.lastIndex;
    }
    return line.length;
  }
}
