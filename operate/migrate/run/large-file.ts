import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isRetryable } from "../../connect/sqlstate.ts";
import { mistake } from "../../error.ts";
import { type Piece, StatementScanner } from "../../statement-scanner.ts";
import { stopSignal } from "../../stop.ts";
import {
  assertLineRest,
  assertRowsEnd,
  blankCommand,
  type CopyRows,
  countLineBreaks,
} from "../files/copy-rows.ts";
import { assertOnePart } from "../files/dialects/split-sections.ts";
import { findDirectives, isDownMarker } from "../files/directives.ts";
import { runScript, ScriptError } from "../files/script.ts";
import { assertUnchanged, type Part } from "../files/source.ts";
import { buildOwnSettings } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import { withWatcher } from "../session/watch.ts";
import { type Consequence, explainFailure } from "./explain-failure.ts";
import {
  ASSERT_OURS,
  BEGIN,
  buildCleanStart,
  explainEnded,
  isTransactionEnded,
} from "./transaction.ts";

const PIECE = 1024 * 1024;
const BATCH = 256 * 1024;

const FORBIDDEN =
  /(?:begin|start|commit|end|rollback|abort|prepare)\b(?!\s+(?:atomic|to\b))|\\\S+/iy;

export interface LargeFile {
  part: Part;
  /** SHA-256 of the bytes, which the history records. */
  hash: string;
  record: (statements: number) => string;
  consequence: Consequence;
}

/** Runs the file in one transaction, like a small file, but sends it in batches of complete statements. */
export async function runLargeFile(runner: Runner, file: LargeFile): Promise<number> {
  const { part, record } = file;
  const { client, settings, note } = runner;
  const deadline = Date.now() + runner.lockWaitMs;
  for (;;) {
    try {
      await client.query([BEGIN, ...buildCleanStart(client, settings, part)].join(";\n"));
      const count = await withWatcher(settings, client, { note }, () => sendAll(runner, file));
      await client.query(
        [...buildOwnSettings(client, settings), record(count), ASSERT_OURS, "commit"].join(";\n"),
      );
      return count;
    } catch (error) {
      await client.query("rollback").catch(() => {});
      if (isTransactionEnded(error as Error)) throw explainEnded(file, false, error);
      const cause = (error as Error).cause;
      if (!isRetryable(cause) || Date.now() >= deadline || stopSignal.aborted) throw error;
      note(`  ${(cause as Error).message}; trying again from the beginning of the file`);
      await sleep(100 + Math.random() * 900);
    }
  }
}

async function sendAll(runner: Runner, file: LargeFile): Promise<number> {
  const { part, hash: hashed, consequence } = file;
  const hash = createHash("sha256");
  let count = 0;
  for (const batch of readBatches(part.path, hash)) {
    try {
      const copies = batch.copy && [batch.copy];
      const { completed, commits } = await runScript(runner.client, batch.sql, copies);
      if (commits > 0) throw explainEnded(file);
      count += completed;
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      const piece = { ...part, sql: batch.sql, firstLine: batch.line };
      const sent = {
        part: piece,
        text: batch.sql,
        offset: 0,
        completed: error.completed,
        ...(error.copy && { rowsLine: error.copy.line }),
      };
      if (error.hasCommitted) throw explainEnded(file, true, error.error);
      throw await explainFailure(runner, error.error, sent, consequence);
    }
  }
  assertUnchanged(part.path, hashed, hash.digest("hex"));
  return count;
}

interface Batch {
  sql: string;
  line: number;
  /** The batch is one COPY. Its rows are read from the file while they are sent. */
  copy?: CopyRows;
}

function* readBatches(path: string, hash: Hash): Generator<Batch> {
  const pieces = readStatements(path, hash);
  let [sql, line, next] = ["", 1, 1];
  for (const piece of pieces) {
    const { kind, text, words } = piece;
    if (kind !== "copy") assertAllowed(path, next, piece);
    if (sql === "") line = next;
    sql += kind === "copy" ? text.slice(0, words) : blankCommand(piece);
    next += countLineBreaks(text);
    if (sql !== "" && (kind === "copy" || sql.length >= BATCH)) {
      yield { sql, line };
      sql = "";
    }
    if (kind !== "copy") continue;
    const copy = text.slice(words);
    const first = next + 1;
    const rows = takeRows(path, pieces, next, (breaks) => {
      next += breaks;
    });
    const [start, from] = [0, copy.length];
    const place = { start, from, end: from, line: first };
    yield { sql: copy, line: next - countLineBreaks(copy), copy: { ...place, rows } };
  }
  if (sql !== "") yield { sql, line };
}

/** What follows a COPY, to the line `\\.` */
function* takeRows(
  path: string,
  pieces: Generator<Piece>,
  line: number,
  count: (breaks: number) => void,
): Generator<string> {
  let last: Piece["kind"] = "copy";
  while (last !== "rows end") {
    const { value, done } = pieces.next();
    if (done) break;
    last = value.kind;
    if (last === "line rest") assertLineRest(path, line, value.text);
    count(countLineBreaks(value.text));
    if (last === "rows") yield value.text;
  }
  assertRowsEnd(path, line, last);
}

function assertAllowed(path: string, line: number, { kind, text, words }: Piece): void {
  if (kind === "restrict") return;
  FORBIDDEN.lastIndex = words;
  const word = FORBIDDEN.exec(text)?.[0];
  if (!word) return;
  throw mistake(
    `${path}, in the statement after line ${line}: "${word}" is not allowed in a file of more than 8 MB; the whole file is one transaction`,
  );
}

/** The pieces before the down part. `readSource` has checked the comments before the first one. */
function* readStatements(path: string, hash: Hash): Generator<Piece> {
  const scanner = new StatementScanner({ script: true });
  let line = 1;
  let isFirst = true;
  let isDown = false;
  for (const piece of scanFile(readPieces(path, hash), scanner)) {
    // The rest is read for its hash only.
    if (isDown) continue;
    const { kind, text, words } = piece;
    const isRows = kind === "rows" || kind === "rows end";
    const from = isFirst ? words : 0;
    if (kind !== "restrict") isFirst = false;
    if (text.includes("--") && !isRows) assertOnePart(path, text);
    const mark = isRows ? undefined : findDirectives(text).find(({ index }) => index >= from);
    if (mark && !isDownMarker(mark)) {
      throw mistake(
        `${path}:${line + mark.line - 1}: "${mark.text}" is not in its place; in a file of more than 8 MB only "-- migrate:down" may follow the first statement`,
      );
    }
    if (!mark) {
      yield piece;
      line += countLineBreaks(text);
      continue;
    }
    const last = text.slice(0, mark.index);
    if (last.trim() !== "")
      yield { kind: "statement", text: last, words: Math.min(words, mark.index) };
    isDown = true;
  }
}

function* scanFile(pieces: Iterable<string>, scanner: StatementScanner): Generator<Piece> {
  for (const text of pieces) yield* scanner.push(text);
  yield* scanner.push("", true);
}

function* readPieces(path: string, hash: Hash): Generator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(PIECE);
  try {
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      hash.update(buffer.subarray(0, length));
      yield decoder.decode(buffer.subarray(0, length), { stream: true });
    }
  } catch (error) {
    if (error instanceof TypeError) throw mistake(`${path} is not UTF-8; save the file as UTF-8`);
    throw error;
  } finally {
    closeSync(file);
  }
}
