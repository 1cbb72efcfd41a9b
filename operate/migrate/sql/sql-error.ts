import type { DatabaseError } from "pg";
import {
  ACTIVE_TRANSACTION,
  isConnectionLost,
  isPermissionDenied,
  isRetryable,
  isServerTrouble,
} from "../../connect/sqlstate.ts";
import { ExitCode, ExpectedError } from "../../error.ts";
import { shortenPath } from "../files/find-files.ts";
import type { Part } from "../files/source.ts";
import { splitStatements, toStringIndex } from "./statements.ts";

/** The SQL that was sent for a part, and how far the server executed it. */
export interface SentSql {
  part: Part;
  /** Index in `text` where the part's own SQL begins. */
  offset: number;
  text: string;
  /** Statements of the part that ran before the failing one; undefined if unknown. */
  completed?: number;
  /** If a single statement was sent: the index in the part where it begins. */
  at?: number;
  /** If a COPY failed: the line of the file with its first row. */
  rowsLine?: number;
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

/** A failed migration: the message is for people, `failure` for programs. */
export class MigrationError extends ExpectedError {
  readonly failure: Failure;

  constructor(exitCode: ExitCode, message: string, failure: Failure, cause: unknown) {
    super(exitCode, message, { cause });
    this.failure = failure;
  }
}

/** `consequence` is the last line of the message: what stays in the database. */
export async function explainSqlError(
  error: DatabaseError,
  sent: SentSql,
  consequence: string,
): Promise<MigrationError> {
  const { part } = sent;
  const row = findRow(error, sent);
  const index = row === undefined ? await findErrorIndex(error, sent) : undefined;
  const place = index === undefined ? undefined : findPlace(part, index);
  const failure: Failure = {
    file: part.path,
    line: row ?? place?.line ?? null,
    column: place?.column ?? null,
    sqlstate: error.code ?? null,
    message: error.message,
    detail: error.detail ?? null,
    hint: error.hint ?? null,
    context: error.where ?? null,
  };
  const at = place ? `:${place.line}:${place.column}` : row === undefined ? "" : `:${row}`;
  const state = error.code ? ` (SQLSTATE ${error.code})` : "";
  const lines = [
    `${shortenPath(part.path)}${at}: ${error.message}${state}`,
    ...(place ? ["", ...renderSnippet(part.sql, index ?? 0, part.firstLine), ""] : []),
    ...(error.detail ? [`detail: ${error.detail}`] : []),
    ...(error.hint ? [`hint: ${error.hint}`] : []),
    ...(error.code === ACTIVE_TRANSACTION && !part.directives.noTransaction
      ? ['hint: begin the file with "-- migrate:no-transaction"']
      : []),
    ...(error.where ? [`context: ${error.where.split("\n")[0]}`] : []),
    consequence,
  ];
  return new MigrationError(chooseExitCode(error), lines.join("\n"), failure, error);
}

/** The line of the file. The server counts the lines of the rows from 1. */
function findRow({ where, position }: DatabaseError, { rowsLine }: SentSql): number | undefined {
  const line = position ? undefined : /^COPY .*?, line (\d+)/m.exec(where ?? "")?.[1];
  return rowsLine === undefined || line === undefined ? undefined : rowsLine + Number(line) - 1;
}

function chooseExitCode(error: DatabaseError): ExitCode {
  const notTheFile = [isPermissionDenied, isServerTrouble, isConnectionLost, isRetryable];
  return notTheFile.some((matches) => matches(error)) ? ExitCode.unreachable : ExitCode.mistake;
}

async function findErrorIndex(error: DatabaseError, sent: SentSql): Promise<number | undefined> {
  if (error.position) {
    const index = toStringIndex(sent.text, Number(error.position) - 1) - sent.offset;
    return index >= 0 && index <= sent.part.sql.length ? index : undefined;
  }
  if (sent.at !== undefined || sent.completed === undefined) return sent.at;
  const statements = await splitStatements(sent.part.sql).catch(() => []);
  return statements[sent.completed]?.start;
}

function findPlace(part: Part, index: number) {
  const before = part.sql.slice(0, index).split("\n");
  return {
    line: part.firstLine + before.length - 1,
    column: [...(before.at(-1) ?? "")].length + 1,
  };
}

/** The line of the error, the lines before and after it, and a caret under the column. */
function renderSnippet(sql: string, index: number, firstLine: number): string[] {
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
