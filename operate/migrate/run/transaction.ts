import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { isRetryable, LOCK_NOT_AVAILABLE } from "../../connect/sqlstate.ts";
import { mistake } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { describeStop, Stopped, stopSignal } from "../../stop.ts";
import { moveCopy } from "../files/copy-rows.ts";
import { shortenPath } from "../files/find-files.ts";
import { runScript, ScriptError } from "../files/script.ts";
import type { Part } from "../files/source.ts";
import { buildSetRole, buildUserSettings } from "../session/file-session.ts";
import type { Runner } from "../session/runner.ts";
import { withWatcher } from "../session/watch.ts";
import { type Consequence, explainFailure, ROLLED_BACK } from "./explain-failure.ts";

/** Short: other sessions queue behind an ALTER TABLE that waits for a long transaction (S7). */
export const LOCK_TIMEOUT = "1s";

/** A part's SQL or one statement of it, with our statements before and after. */
export interface TransactionScript {
  part: Part;
  before: string[];
  sql: string;
  /** Where `sql` begins in the part. */
  start: number;
  after: string[];
  /** The last line of the error when it fails: what stays in the database. */
  consequence: Consequence;
}

/**
 * Sends everything in one message: one round trip and one commit. The record commits in the same
 * transaction that changes the schema. If a lock is not free, the whole transaction is tried again.
 * Returns the number of the file's own statements.
 */
export async function runInTransaction(runner: Runner, script: TransactionScript): Promise<number> {
  const { client, settings, note } = runner;
  const deadline = Date.now() + runner.lockWaitMs;
  for (;;) {
    const { text, offset } = buildText(script);
    try {
      return await withWatcher(settings, client, { note }, async (observed) => {
        try {
          const copies = script.part.copies?.map((copy) => moveCopy(copy, offset - script.start));
          const { completed, commits } = await runScript(client, text, copies);
          if (commits > 1) throw explainEnded(script);
          return completed - script.before.length - script.after.length - 3;
        } catch (error) {
          if (error instanceof ScriptError) error.blockers = observed.blockers;
          throw error;
        }
      });
    } catch (failure) {
      if (failure instanceof Stopped) throw describeStop(script.consequence.known, failure);
      if (!(failure instanceof ScriptError)) throw failure;
      const { error, completed, blockers, hasCommitted, copy } = failure;
      await client.query("rollback").catch(() => {});
      if (hasCommitted || isTransactionEnded(error))
        throw explainEnded(script, hasCommitted, error);
      if (isRetryable(error) && Date.now() < deadline && !stopSignal.aborted) {
        note(`  ${error.message}${describeBlockers(blockers)}; trying again`);
        await sleep(100 + Math.random() * 900);
        continue;
      }
      const sent = {
        part: script.part,
        text,
        offset: offset - script.start,
        ...(copy && { rowsLine: copy.line }),
        ...(script.start > 0
          ? { at: script.start }
          : { completed: completed - script.before.length - 1 }),
      };
      const holders = describeBlockers(error.code === LOCK_NOT_AVAILABLE ? blockers : []);
      const { consequence } = script;
      const known = `${consequence.known}${holders}`;
      throw await explainFailure(runner, error, sent, { ...consequence, known });
    }
  }
}

const describeBlockers = (blockers: string[]) =>
  blockers.length > 0 ? `; held by ${blockers.join("; ")}` : "";

/**
 * A mark that ends with this transaction: only a serializable, read-only one behaves differently, and
 * neither RESET ALL nor a savepoint removes it.
 */
export const BEGIN = "begin deferrable";

const ENDED = "pgstead's transaction has ended";

/** Fails if a COMMIT or ROLLBACK that the scanner did not see has ended our transaction. */
export const ASSERT_OURS = `select case pg_catalog.current_setting('transaction_deferrable')
  when 'on' then null else pg_catalog.int4in(pg_catalog.textout(pg_catalog.concat(
    '${ENDED.replace("'", "''")}'::pg_catalog.text))) end`;

export const isTransactionEnded = ({ message }: Error) => message.includes(ENDED);

/** `hasCommitted` is false after a ROLLBACK, which keeps nothing. */
export function explainEnded(
  { part }: { part: Part },
  hasCommitted = true,
  cause?: unknown,
): Error {
  const kept = hasCommitted
    ? "what ran before its COMMIT stays in the database; look at it before you run the file again"
    : ROLLED_BACK;
  return mistake(
    `${shortenPath(part.path)} ended the transaction of pgstead with its own COMMIT or ROLLBACK, which pgstead did not recognise; ${kept}. Write it so that the file has neither, or begin it with "-- migrate:no-transaction"`,
    cause,
  );
}

function buildText({ before, sql, after }: TransactionScript): { text: string; offset: number } {
  const prefix = `${BEGIN};\n${before.map((line) => `${line};\n`).join("")}`;
  // The line break ends a comment in the last line of the file.
  const suffix = `\n;${[...after, ASSERT_OURS].map((line) => `${line};\n`).join("")}commit;`;
  return { text: prefix + sql + suffix, offset: prefix.length };
}

/** Undoes what earlier files SET. A dump, for example, sets an empty search_path for the session. */
export function buildCleanStart(client: Client, settings: Settings, part: Part): string[] {
  return [
    buildUserSettings(settings),
    "reset role",
    ...buildTimeouts(client, part),
    ...buildSetRole(client, settings),
  ];
}

export function buildTimeouts(client: Client, { directives }: Part): string[] {
  const { lockTimeout = LOCK_TIMEOUT, statementTimeout = "0" } = directives;
  return [
    `set local lock_timeout = ${client.escapeLiteral(lockTimeout)}`,
    `set local statement_timeout = ${client.escapeLiteral(statementTimeout)}`,
  ];
}
