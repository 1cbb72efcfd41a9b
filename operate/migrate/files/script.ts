import { type Client, type Connection, type DatabaseError, Query } from "pg";
import { cancelOnStop } from "../../connect/cancel-on-stop.ts";
import { Stopped } from "../../stop.ts";

/** An error of the server. `completed` statements of the script ran before it. */
export class ScriptError extends Error {
  readonly error: DatabaseError;
  readonly completed: number;
  /** The sessions that held the lock, if they were seen. */
  blockers: string[] = [];
  /** The script's own COMMIT or PREPARE TRANSACTION ran: what came before it was kept. */
  readonly hasCommitted: boolean;

  constructor(error: DatabaseError, completed: number, hasCommitted: boolean) {
    super(error.message, { cause: error });
    this.error = error;
    this.completed = completed;
    this.hasCommitted = hasCommitted;
  }
}

export interface ScriptResult {
  completed: number;
  /** Transactions that the script has ended, by the command tags of the server. */
  commits: number;
}

/**
 * Sends several statements in one message and counts them. Rows are dropped on arrival, so that a
 * SELECT over a large table uses no memory.
 */
export async function runScript(client: Client, text: string): Promise<ScriptResult> {
  const { connection } = client as unknown as { connection: Connection };
  let completed = 0;
  let commits = 0;
  const count = ({ text: tag }: { text?: string }) => {
    completed++;
    if (tag === "COMMIT" || tag === "PREPARE TRANSACTION") commits++;
  };
  connection.on("commandComplete", count);
  try {
    await cancelOnStop(client, () => send(client, text));
    return { completed, commits };
  } catch (error) {
    if (error instanceof Stopped) throw error;
    throw new ScriptError(error as DatabaseError, completed, commits > 0);
  } finally {
    connection.off("commandComplete", count);
  }
}

const send = (client: Client, text: string) =>
  new Promise<void>((resolve, reject) => {
    const query = new Query(text);
    query.on("row", () => {});
    query.on("end", () => resolve());
    query.on("error", reject);
    client.query(query);
  });
