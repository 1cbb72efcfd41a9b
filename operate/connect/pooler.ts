import type { Client } from "pg";
import { unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { withClient } from "./database.ts";

/**
 * A pooler in transaction mode gives each transaction another server session: locks taken by one
 * stay behind in a session that nobody owns any more.
 */
export async function assertOwnSession(settings: Settings, client: Client): Promise<void> {
  const { database } = client;
  const told = (client as unknown as { processID: number | null }).processID;
  const first = await readBackendPid(client);
  // Poolers make up the process id that a server tells at the start of a connection.
  if (told === first) return;
  const moved = await withClient(
    settings,
    { purpose: "pooler probe", ...(database && { database }) },
    async (other) => {
      // Whoever is in a transaction keeps a session; if that was ours, we are given another.
      await other.query("begin");
      const second = await readBackendPid(client);
      await other.query("rollback");
      return second !== first;
    },
  );
  if (!moved) return;
  const { host, port } = settings.database;
  throw unreachable(
    `${host}:${port} is a pooler in transaction mode, in which locks do not hold; connect to the server itself, or to a pool in session mode`,
  );
}

async function readBackendPid(client: Client): Promise<number> {
  const { rows } = await client.query("select pg_backend_pid() as pid");
  return rows[0].pid;
}
