import { mistake } from "../../../error.ts";
import { findFirstStatement } from "../../../statement-scanner.ts";
import { findMarks, type Mark } from "../marks.ts";
import type { Dialect, Section, Sections } from "./section.ts";

export interface Annotation {
  /** The part that begins here. */
  begins?: "up" | "down";
  /** Turns the transaction off: for the part that begins here, otherwise for the whole file. */
  noTransaction?: boolean;
  /** The reason why it is refused. */
  refusal?: string;
}

export interface AnnotatedTool {
  tool: string;
  /** Source of the regular expression after the dashes. */
  prefix: string;
  /** For the error message. */
  known: string;
  /** Undefined if the tool has no such annotation. Its statement marks need no reading: a parser splits. */
  read(command: string): Annotation | undefined;
}

/** A tool whose files have `-- +NAME Up` and `-- +NAME Down`. */
export function createDialect(annotated: AnnotatedTool): Dialect {
  const { tool, prefix } = annotated;
  return {
    tool,
    isUsedIn: (text) => findMarks(text, prefix).length > 0,
    split: (path, text) => splitAnnotated(path, text, annotated),
  };
}

function splitAnnotated(path: string, text: string, annotated: AnnotatedTool): Sections {
  const begun: { up?: Section; down?: Section } = {};
  let isWithout = false;
  for (const mark of findMarks(text, annotated.prefix)) {
    const where = `${path}:${mark.line}`;
    const { begins, noTransaction } = readAnnotation(mark, annotated, where);
    if (!begins) {
      if (noTransaction) isWithout = true;
      continue;
    }
    if (begun[begins] || (begins === "down" && !begun.up)) {
      throw mistake(
        `${where}: "${mark.text}" is not in its place; Up comes before Down, each once`,
      );
    }
    assertNoStatementBefore(begins === "up" ? text.slice(0, mark.index) : "", path, mark);
    begun[begins] = {
      start: begins === "up" ? 0 : mark.index,
      end: text.length,
      ...(noTransaction && { noTransaction }),
    };
  }
  const { up, down } = begun;
  if (!up) throw mistake(`${path}: a file of ${annotated.tool} needs a line with Up`);
  if (down) up.end = down.start;
  if (isWithout) for (const section of [up, down]) if (section) section.noTransaction = true;
  return down ? { up, down } : { up };
}

function readAnnotation(
  { startsLine, text, command }: Mark,
  { tool, known, read }: AnnotatedTool,
  where: string,
): Annotation {
  const annotation = startsLine ? read(command) : undefined;
  if (!annotation) {
    throw mistake(
      `${where}: "${text}" is not an annotation of ${tool}; write one of ${known} at the start of a line`,
    );
  }
  if (annotation.refusal) throw mistake(`${where}: ${annotation.refusal}`);
  return annotation;
}

function assertNoStatementBefore(head: string, path: string, { line, text }: Mark): void {
  if (findFirstStatement(head) === head.length) return;
  throw mistake(`${path}:${line}: a statement stands before "${text}"; move it below`);
}
