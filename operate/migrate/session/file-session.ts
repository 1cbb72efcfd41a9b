import type { Client } from "pg";
import { NO_TIME_LIMITS, PIN_PATH } from "../../connect/database.ts";
import type { Settings } from "../../settings.ts";

/** Without it the server may run the statement of a killed process for hours. */
const NOTICE_A_LOST_CLIENT = "set client_connection_check_interval = '2s'";

/** Sets what a session for migrations needs. All clients of the embedded server share one session. */
export async function prepareSession(client: Client, { engine }: Settings): Promise<void> {
  if (engine === "embedded") return;
  await client.query([PIN_PATH, ...NO_TIME_LIMITS].join(";"));
  // Only some systems can do it.
  await client.query(NOTICE_A_LOST_CLIENT).catch(() => {});
}

/** Removes what a file left in the session: settings, roles, temporary tables, prepared statements, locks. */
export async function clearSession(client: Client, settings: Settings): Promise<void> {
  if (settings.engine === "embedded") await client.query("reset all; reset role");
  else {
    await client.query("discard all");
    await prepareSession(client, settings);
  }
}

/** Gives a file the settings of the user. */
export const buildUserSettings = ({ engine }: Settings): string =>
  engine === "embedded" ? "reset all" : "reset search_path";

/** Objects and the history belong to the owner, not to the role that logs in. */
export function buildSetRole(
  client: Client,
  { database: { owner } }: Settings,
  local = true,
): string[] {
  return owner ? [`set ${local ? "local " : ""}role ${client.escapeIdentifier(owner)}`] : [];
}

/**
 * For our own statements between those of a file, whose role and path stay as they are: ends with the
 * transaction.
 */
export const buildOwnSettings = (client: Client, settings: Settings): string[] => [
  "set local role none",
  ...buildSetRole(client, settings),
  "set local search_path = pg_catalog, pg_temp",
];

/** Runs our own statements between those of a file, in one transaction. */
export async function asPgstead<T>(
  client: Client,
  settings: Settings,
  use: () => Promise<T>,
): Promise<T> {
  await client.query(["begin", ...buildOwnSettings(client, settings)].join(";"));
  try {
    const result = await use();
    await client.query("commit");
    return result;
  } catch (error) {
    await client.query("rollback").catch(() => {});
    throw error;
  }
}

/** A name in the file's own role and path, as the file's statements see it. */
export async function resolveName(client: Client, name: string): Promise<number | null> {
  const sql =
    "select pg_catalog.to_regclass($1)::pg_catalog.oid::pg_catalog.int8::pg_catalog.float8 as oid";
  return (await client.query(sql, [name])).rows[0].oid;
}

/** S7: a CONCURRENTLY that times out leaves an invalid index. Afterwards the file's own timeouts are back. */
export async function withoutTimeouts<T>(client: Client, use: () => Promise<T>): Promise<T> {
  const { rows } = await client.query(
    `select pg_catalog.current_setting('lock_timeout') as lock,
       pg_catalog.current_setting('statement_timeout') as statement`,
  );
  const [{ lock, statement }] = rows;
  const set = (lockTimeout: string, statementTimeout: string) =>
    client.query(
      `set lock_timeout = ${client.escapeLiteral(lockTimeout)}; set statement_timeout = ${client.escapeLiteral(statementTimeout)}`,
    );
  await set("0", "0");
  try {
    return await use();
  } finally {
    await set(lock, statement).catch(() => {});
  }
}
