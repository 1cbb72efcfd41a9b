import { type Client, type Connection, type DatabaseError, Query } from "pg";
import { cancelOnStop } from "../../connect/cancel-on-stop.ts";
import { stopSignal } from "../../stop.ts";

/** An error of the server. `completed` statements of the script ran before it. */
export class ScriptError extends Error {
  readonly error: DatabaseError;
  readonly completed: number;
  /** The sessions that held the lock, if they were seen. */
  blockers: string[] = [];

  constructor(error: DatabaseError, completed: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.completed = completed;
  }
}

/**
 * Sends several statements in one message and counts them. Rows are dropped on arrival, so that a
 * SELECT over a large table uses no memory.
 */
export async function runScript(client: Client, text: string): Promise<number> {
  const { connection } = client as unknown as { connection: Connection };
  let completed = 0;
  const count = () => {
    completed++;
  };
  connection.on("commandComplete", count);
  try {
    await cancelOnStop(client, () => send(client, text));
    return completed;
  } catch (error) {
    stopSignal.throwIfAborted();
    throw new ScriptError(error as DatabaseError, completed);
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
