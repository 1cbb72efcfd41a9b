import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { isRetryable, LOCK_NOT_AVAILABLE } from "../../connect/sqlstate.ts";
import type { Settings } from "../../settings.ts";
import { runScript, ScriptError } from "../files/script.ts";
import type { Part } from "../files/source.ts";
import { buildReset, buildSetRole, type Runner } from "../session/runner.ts";
import { withWatcher } from "../session/watch.ts";
import { explainSqlError } from "../sql/sql-error.ts";

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
  consequence?: string;
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
          return (await runScript(client, text)) - script.before.length - script.after.length - 2;
        } catch (error) {
          (error as ScriptError).blockers = observed.blockers;
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
        part: script.part,
        text,
        offset: offset - script.start,
        ...(script.start > 0
          ? { at: script.start }
          : { completed: completed - script.before.length - 1 }),
      };
      const holders = describeBlockers(error.code === LOCK_NOT_AVAILABLE ? blockers : []);
      throw await explainSqlError(
        error,
        sent,
        `${script.consequence ?? "the file was rolled back completely"}${holders}`,
      );
    }
  }
}

const describeBlockers = (blockers: string[]) =>
  blockers.length > 0 ? `; held by ${blockers.join("; ")}` : "";

function buildText({ before, sql, after }: TransactionScript): { text: string; offset: number } {
  const prefix = `begin;\n${before.map((line) => `${line};\n`).join("")}`;
  // The line break ends a comment in the last line of the file.
  const suffix = `\n;${after.map((line) => `${line};\n`).join("")}commit;`;
  return { text: prefix + sql + suffix, offset: prefix.length };
}

/** A dump that ran as a file before, for example, has set an empty search_path for the session. */
export function buildCleanStart(client: Client, settings: Settings, part: Part): string[] {
  return [
    ...buildReset(settings),
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
