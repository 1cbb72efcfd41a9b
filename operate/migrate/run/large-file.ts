import { closeSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isRetryable } from "../../connect/sqlstate.ts";
import { mistake } from "../../error.ts";
import { type Piece, StatementScanner } from "../../statement-scanner.ts";
import { assertOnePart } from "../files/dialects/split-sections.ts";
import { findDirectives, isDownMarker } from "../files/directives.ts";
import { runScript, ScriptError } from "../files/script.ts";
import type { Part } from "../files/source.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";
import { withWatcher } from "../session/watch.ts";
import { explainSqlError } from "../sql/sql-error.ts";
import { buildCleanStart } from "./transaction.ts";

const PIECE = 1024 * 1024;
const BATCH = 256 * 1024;

const FORBIDDEN =
  /(?:begin|start|commit|end|rollback|abort|prepare)\b(?!\s+(?:atomic|to\b))|\\\S+/iy;

/** Runs the file in one transaction, like a small file, but sends it in batches of complete statements. */
export async function runLargeFile(
  runner: Runner,
  part: Part,
  record: (statements: number) => string,
): Promise<number> {
  const { client, settings, note } = runner;
  const deadline = Date.now() + runner.lockWaitMs;
  for (;;) {
    try {
      await client.query(["begin", ...buildCleanStart(client, settings, part)].join(";\n"));
      const count = await withWatcher(settings, client, { note }, () => sendAll(runner, part));
      await client.query(
        ["reset role", ...buildSetRole(client, settings), record(count), "commit"].join(";\n"),
      );
      return count;
    } catch (error) {
      await client.query("rollback").catch(() => {});
      const cause = (error as Error).cause;
      if (!isRetryable(cause) || Date.now() >= deadline) throw error;
      note(`  ${(cause as Error).message}; trying again from the beginning of the file`);
      await sleep(100 + Math.random() * 900);
    }
  }
}

async function sendAll({ client }: Runner, part: Part): Promise<number> {
  let count = 0;
  for (const batch of readBatches(part.path)) {
    try {
      count += await runScript(client, batch.sql);
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      const piece = { ...part, sql: batch.sql, firstLine: batch.line };
      const sent = { part: piece, text: batch.sql, offset: 0, completed: error.completed };
      throw await explainSqlError(error.error, sent, "the file was rolled back completely");
    }
  }
  return count;
}

function* readBatches(path: string): Generator<{ sql: string; line: number }> {
  let [sql, line, next] = ["", 1, 1];
  for (const statement of readStatements(path)) {
    const { text } = statement;
    assertAllowed(path, next, statement);
    if (sql === "") line = next;
    sql += text;
    next += countLineBreaks(text);
    if (sql.length < BATCH) continue;
    yield { sql, line };
    sql = "";
  }
  if (sql !== "") yield { sql, line };
}

function assertAllowed(path: string, line: number, { text, words }: Piece): void {
  FORBIDDEN.lastIndex = words;
  const word = FORBIDDEN.exec(text)?.[0];
  if (!word) return;
  throw mistake(
    `${path}, in the statement after line ${line}: "${word}" is not allowed in a file of more than 8 MB; the whole file is one transaction`,
  );
}

/** The statements before the down part. `readSource` has checked the comments before the first one. */
function* readStatements(path: string): Generator<Piece> {
  const scanner = new StatementScanner();
  let line = 1;
  let isFirst = true;
  for (const { text, words } of scanFile(path, scanner)) {
    const from = isFirst ? words : 0;
    isFirst = false;
    if (text.includes("--")) assertOnePart(path, text);
    const mark = findDirectives(text).find(({ index }) => index >= from);
    if (mark && !isDownMarker(mark)) {
      throw mistake(
        `${path}:${line + mark.line - 1}: "${mark.text}" is not in its place; in a file of more than 8 MB only "-- migrate:down" may follow the first statement`,
      );
    }
    if (!mark) {
      yield { text, words };
      line += countLineBreaks(text);
      continue;
    }
    const last = text.slice(0, mark.index);
    if (last.trim() !== "") yield { text: last, words: Math.min(words, mark.index) };
    return;
  }
}

function countLineBreaks(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}

function* scanFile(path: string, scanner: StatementScanner): Generator<Piece> {
  for (const text of readPieces(path)) yield* scanner.push(text);
  yield* scanner.push("", true);
}

function* readPieces(path: string): Generator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(PIECE);
  try {
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      yield decoder.decode(buffer.subarray(0, length), { stream: true });
    }
  } catch (error) {
    if (error instanceof TypeError) throw mistake(`${path} is not UTF-8; save the file as UTF-8`);
    throw error;
  } finally {
    closeSync(file);
  }
}
