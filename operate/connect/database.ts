import { readFileSync } from "node:fs";
import pg from "pg";
import { type ExpectedError, unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { cancelOnStop } from "./cancel-on-stop.ts";
import { assertOurServer } from "./embedded-state.ts";

export interface ConnectOptions {
  /** Part of the application name: shown in `pg_stat_activity` and to sessions that wait for this one. */
  purpose: string;
  connectTimeoutMs?: number;
  /** Another database of the same server. */
  database?: string;
  /** Keep the user's own search_path, because the user's own SQL runs. @default - only `pg_catalog` */
  userPath?: boolean;
  /** The caller decides what a stop of the process cancels. @default - whatever runs */
  cancelsItself?: boolean;
  /** Notice within half a minute that the server's machine is gone, although nothing is sent. */
  keepAlive?: boolean;
}

/** Opens a connection, passes it to `use`, and always closes it. */
export async function withClient<T>(
  settings: Settings,
  options: ConnectOptions,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(settings, options);
  try {
    return await (options.cancelsItself ? use(client) : cancelOnStop(client, () => use(client)));
  } finally {
    await client.end().catch(() => {});
  }
}

async function connect(settings: Settings, options: ConnectOptions): Promise<pg.Client> {
  assertOurServer(settings);
  const { host, port, name, user, passwordFile } = settings.database;
  const client = new pg.Client({
    host,
    port,
    user,
    database: options.database ?? name,
    password: passwordFile && readFileSync(passwordFile, "utf8").trim(),
    application_name: `pgstead ${options.purpose}`,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 10_000,
    ...(options.keepAlive && { keepAlive: true, keepAliveInitialDelayMillis: 10_000 }),
  });
  // The next query reports a connection that was lost between two queries. Without a listener the
  // event would end the process.
  client.on("error", () => {});
  try {
    await client.connect();
  } catch (error) {
    throw explainConnectionError(settings, error as Error);
  }
  owners.set(client, settings.database.owner);
  // All clients of the embedded server share one session and one role.
  if (options.userPath || settings.engine === "embedded") return client;
  try {
    await client.query(PIN_PATH);
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** S27: an operator or a function that another role made in the user's path would run as this role. */
export const PIN_PATH = "set search_path = pg_catalog, pg_temp";

/** A role or a database may have limits that would end a session while it waits. */
export const NO_TIME_LIMITS = [
  "set idle_session_timeout = 0",
  "set idle_in_transaction_session_timeout = 0",
  // Since PostgreSQL 17.
  `select set_config('transaction_timeout', '0', false)
   where current_setting('transaction_timeout', true) is not null`,
];

const owners = new WeakMap<pg.Client, string | undefined>();

/** The role that owns the objects of the stack, if the settings name one. */
export const findOwner = (client: pg.Client): string | undefined => owners.get(client);

/** The oid of a relation that a person named. The name may have no schema, so the user's path applies. */
export async function resolveInUserPath(client: pg.Client, name: string): Promise<number | null> {
  await client.query("begin; set local search_path to default");
  try {
    const sql = "select pg_catalog.to_regclass($1)::pg_catalog.oid as oid";
    return (await client.query(sql, [name])).rows[0].oid;
  } finally {
    await client.query("rollback");
  }
}

function explainConnectionError(settings: Settings, error: Error): ExpectedError {
  const { host, port, name } = settings.database;
  const code = (error as { code?: string }).code;
  const hint =
    code === "ECONNREFUSED" || code === "ENOENT"
      ? `no server listens there; "pgstead up --stack ${settings.stack}" starts it`
      : error.message;
  return unreachable(`cannot connect to database "${name}" at ${host}:${port}: ${hint}`, error);
}
