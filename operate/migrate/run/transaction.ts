import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { isRetryable, LOCK_NOT_AVAILABLE } from "../../connect/sqlstate.ts";
import type { Settings } from "../../settings.ts";
import { runScript, ScriptError } from "../files/script.ts";
import type { Part } from "../files/source.ts";
import { buildSetRole, type Runner } from "../session/runner.ts";
import { withWatcher } from "../session/watch.ts";
import { explainSqlError } from "../sql/sql-error.ts";

/** Short, so that nobody queues behind an ALTER TABLE that itself waits for a long transaction. */
export const LOCK_TIMEOUT = "1s";

/** A part's SQL, or one statement of it, with our own statements around. */
export interface TransactionScript {
  part: Part;
  before: string[];
  sql: string;
  /** Where `sql` begins in the part. */
  start: number;
  after: string[];
  /** What remains when it fails: told with the error. */
  kept?: string;
}

/**
 * Everything in one message: one round trip and one commit, and the record is committed by the very
 * transaction that changes the schema. Locks are tried for again and again, each time from the start.
 * Returns the number of statements that were not ours.
 */
export async function runInTransaction(
  runner: Runner,
  wrapped: TransactionScript,
): Promise<number> {
  const { client, settings, note } = runner;
  const deadline = Date.now() + runner.lockWaitMs;
  for (;;) {
    const { text, offset } = buildText(wrapped);
    try {
      return await withWatcher(settings, client, { note }, async (seen) => {
        try {
          return (await runScript(client, text)) - wrapped.before.length - wrapped.after.length - 2;
        } catch (error) {
          (error as ScriptError).blockers = seen.blockers;
          throw error;
        }
      });
    } catch (failure) {
      if (!(failure instanceof ScriptError)) throw failure;
      const { error, completed, blockers } = failure;
      await client.query("rollback").catch(() => {});
      if (isRetryable(error) && Date.now() < deadline) {
        note(`  ${error.message}${describeBlockers(blockers)}; trying again`);
        await sleep(100 + Math.random() * 900);
        continue;
      }
      const sent = {
        part: wrapped.part,
        text,
        offset: offset - wrapped.start,
        ...(wrapped.start > 0
          ? { at: wrapped.start }
          : { completed: completed - wrapped.before.length - 1 }),
      };
      const held = describeBlockers(error.code === LOCK_NOT_AVAILABLE ? blockers : []);
      throw await explainSqlError(
        error,
        sent,
        `${wrapped.kept ?? "nothing of it was kept"}${held}`,
      );
    }
  }
}

const describeBlockers = (blockers: string[]) =>
  blockers.length > 0 ? `; held by ${blockers.join("; ")}` : "";

function buildText({ before, sql, after }: TransactionScript): { text: string; offset: number } {
  const prefix = `begin;\n${before.map((line) => `${line};\n`).join("")}`;
  // The line break ends a comment on the last line of the file.
  const suffix = `\n;${after.map((line) => `${line};\n`).join("")}commit;`;
  return { text: prefix + sql + suffix, offset: prefix.length };
}

/** What files SET must not reach the next one: a dump sets an empty search_path for its session. */
export function buildCleanStart(client: Client, settings: Settings, part: Part): string[] {
  return [
    "reset all",
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
