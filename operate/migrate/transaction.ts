import type { Client } from "pg";
import type { Settings } from "../settings.ts";
import type { MigrationFile } from "./files.ts";
import { finishRow, startRow } from "./history.ts";
import type { Part } from "./source.ts";

/** Short, so that nobody queues behind an ALTER TABLE that itself waits for a long transaction. */
export const LOCK_TIMEOUT = "1s";

/** Statements before and after a file's own, in the one query string that is sent. */
export interface Wrapped {
  text: string;
  prefix: string;
  statementsBefore: number;
  statementsAfter: number;
}

/**
 * Everything in one message: one round trip and one commit a file, and the row is committed by the
 * very transaction that changes the schema.
 */
export async function applyInTransaction(
  client: Client,
  settings: Settings,
  file: MigrationFile,
  part: Part,
  toolVersion: string,
): Promise<number> {
  const before = [...opening(client, settings, part), startRow(client, file, toolVersion)];
  const after = [...asOwner(client, settings), finishRow(client, file.version, "0")];
  const wrapped = wrap(before, part.sql, after);
  return runWrapped(client, wrapped);
}

/** What files SET must not reach the next one: a dump sets an empty search_path for its session. */
export function opening(client: Client, settings: Settings, part: Part): string[] {
  const { lockTimeout = LOCK_TIMEOUT, statementTimeout = "0" } = part.directives;
  return [
    "begin;",
    "reset all;",
    "reset role;",
    `set local lock_timeout = ${client.escapeLiteral(lockTimeout)};`,
    `set local statement_timeout = ${client.escapeLiteral(statementTimeout)};`,
    ...asOwner(client, settings),
  ];
}

/** Objects and the history belong to the owner; a file may have switched roles meanwhile. */
export function asOwner(client: Client, settings: Settings): string[] {
  const { owner } = settings.database;
  return owner ? [`set local role ${client.escapeIdentifier(owner)};`] : [];
}

export function wrap(before: string[], sql: string, after: string[]): Wrapped {
  const prefix = `${before.join("\n")}\n`;
  return {
    // The line break ends a comment on the file's last line.
    text: `${prefix}${sql}\n;${after.join("\n")}\ncommit;`,
    prefix,
    statementsBefore: before.length,
    statementsAfter: after.length + 1,
  };
}

/** Returns how many statements the file had. */
export async function runWrapped(client: Client, wrapped: Wrapped): Promise<number> {
  try {
    const results = await client.query(wrapped.text);
    const count = Array.isArray(results) ? results.length : 1;
    return count - wrapped.statementsBefore - wrapped.statementsAfter;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}
