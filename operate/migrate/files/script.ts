import { type Client, type Connection, type DatabaseError, Query } from "pg";
import { cancelOnStop } from "../../connect/cancel-on-stop.ts";
import { stopSignal } from "../../stop.ts";

/** Thrown by the server's word; `completed` statements of the script were done before it. */
export class ScriptError extends Error {
  readonly error: DatabaseError;
  readonly completed: number;
  /** Who held the lock it wanted, when that was seen. */
  blockers: string[] = [];

  constructor(error: DatabaseError, completed: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.completed = completed;
  }
}

/**
 * Sends several statements in one message and counts them; rows are dropped as they come, so that
 * a SELECT over a large table costs no memory.
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
