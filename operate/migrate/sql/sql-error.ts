import type { DatabaseError } from "pg";
import {
  isConnectionLost,
  isPermissionDenied,
  isRetryable,
  isServerTrouble,
} from "../../connect/sqlstate.ts";
import { ExitCode, ExpectedError } from "../../error.ts";
import { nameOf } from "../files/files.ts";
import type { Part } from "../files/source.ts";
import { splitStatements } from "./statements.ts";

/** What was sent for a part, and how far the server came with it. */
export interface Sent {
  part: Part;
  /** Index in the sent text at which the part's own SQL begins. */
  offset: number;
  text: string;
  /** Statements of the part that were done before the failing one; unknown when undefined. */
  completed?: number;
  /** Where the one statement begins that was sent, as an index into the part. */
  at?: number;
}

export interface Failure {
  file: string;
  line: number | null;
  column: number | null;
  sqlstate: string | null;
  message: string;
  detail: string | null;
  hint: string | null;
  context: string | null;
}

/** A failed migration, for people as text and for programs as `failure`. */
export class MigrationError extends ExpectedError {
  readonly failure: Failure;

  constructor(exitCode: ExitCode, message: string, failure: Failure, cause: unknown) {
    super(exitCode, message, { cause });
    this.failure = failure;
  }
}

export async function explainSqlError(
  error: DatabaseError,
  sent: Sent,
  kept: string,
): Promise<MigrationError> {
  const { part } = sent;
  const index = await locate(error, sent);
  const place = index === undefined ? undefined : placeOf(part, index);
  const failure: Failure = {
    file: part.path,
    line: place?.line ?? null,
    column: place?.column ?? null,
    sqlstate: error.code ?? null,
    message: error.message,
    detail: error.detail ?? null,
    hint: error.hint ?? null,
    context: error.where ?? null,
  };
  const at = place ? `:${place.line}:${place.column}` : "";
  const state = error.code ? ` (SQLSTATE ${error.code})` : "";
  const lines = [
    `${nameOf(part.path)}${at}: ${error.message}${state}`,
    ...(place ? ["", ...snippet(part.sql, index ?? 0, part.firstLine), ""] : []),
    ...(error.detail ? [`detail: ${error.detail}`] : []),
    ...(error.hint ? [`hint: ${error.hint}`] : []),
    ...(error.where ? [`context: ${error.where.split("\n")[0]}`] : []),
    kept,
  ];
  return new MigrationError(exitCodeOf(error), lines.join("\n"), failure, error);
}

function exitCodeOf(error: DatabaseError): ExitCode {
  const outside = [isPermissionDenied, isServerTrouble, isConnectionLost, isRetryable];
  return outside.some((is) => is(error)) ? ExitCode.unreachable : ExitCode.mistake;
}

async function locate(error: DatabaseError, sent: Sent): Promise<number | undefined> {
  if (error.position) {
    const index = codePointIndex(sent.text, Number(error.position) - 1) - sent.offset;
    return index >= 0 && index <= sent.part.sql.length ? index : undefined;
  }
  if (sent.at !== undefined || sent.completed === undefined) return sent.at;
  const statements = await splitStatements(sent.part.sql).catch(() => []);
  return statements[sent.completed]?.start;
}

/** The server counts characters, of which JavaScript stores some as two. */
function codePointIndex(text: string, position: number): number {
  let index = 0;
  for (let seen = 0; seen < position && index < text.length; seen++) {
    index += (text.codePointAt(index) ?? 0) > 0xffff ? 2 : 1;
  }
  return index;
}

function placeOf(part: Part, index: number) {
  const before = part.sql.slice(0, index).split("\n");
  return {
    line: part.firstLine + before.length - 1,
    column: [...(before.at(-1) ?? "")].length + 1,
  };
}

/** The line with the one before and after, and a caret under the place. */
function snippet(sql: string, index: number, firstLine: number): string[] {
  const lines = sql.split("\n").map((line) => line.replace(/\r$/, ""));
  const before = sql.slice(0, index).split("\n");
  const at = before.length - 1;
  const from = Math.max(0, at - 1);
  const width = String(firstLine + at + 1).length;
  return lines.slice(from, at + 2).flatMap((line, i) => {
    const number = String(firstLine + from + i).padStart(width);
    const shown = `  ${number} | ${line.slice(0, 160)}`;
    if (from + i !== at) return [shown];
    const indent = (before.at(-1) ?? "").slice(0, 160).replace(/[^\t]/gu, " ");
    return [shown, `  ${" ".repeat(width)} | ${indent}^`];
  });
}
