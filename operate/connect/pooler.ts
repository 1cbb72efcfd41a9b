import type { Client } from "pg";
import { unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { withClient } from "./database.ts";

/**
 * Refuses a pooler in transaction mode. It gives each transaction another server session, so a lock
 * stays in a session that its client no longer uses.
 */
export async function assertOwnSession(settings: Settings, client: Client): Promise<void> {
  const { database } = client;
  const announced = (client as unknown as { processID: number | null }).processID;
  const first = await readBackendPid(client);
  // A server sends its process id when a connection starts. A pooler sends an invented one.
  if (announced === first) return;
  const hasMoved = async () => (await readBackendPid(client)) !== first;
  // A pooler that gives its sessions in turn moves us at once. With others our session must be in use.
  const moved =
    (await hasMoved()) ||
    (await withClient(
      settings,
      { purpose: "pooler probe", ...(database && { database }) },
      async (other) => {
        // A client in a transaction keeps its session. If it has our session, we get another one.
        await other.query("begin");
        const result = await hasMoved();
        await other.query("rollback");
        return result;
      },
    ));
  if (!moved) return;
  const { host, port } = settings.database;
  throw unreachable(
    `${host}:${port} is a pooler in transaction mode, where advisory locks do not work; connect to the server itself, or to a pool in session mode`,
  );
}

async function readBackendPid(client: Client): Promise<number> {
  const { rows } = await client.query("select pg_backend_pid() as pid");
  return rows[0].pid;
}
