import type { Client } from "pg";
import { ExpectedError, unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { type ConnectOptions, withClient } from "./database.ts";
import { isConnectionLost, isPermissionDenied, isServerTrouble } from "./sqlstate.ts";

/** As `withClient`; what the server refuses or breaks off on the way is told as that, not as a bug. */
export async function withSession<T>(
  settings: Settings,
  options: ConnectOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  try {
    return await withClient(settings, options, use);
  } catch (error) {
    throw translateError(settings, error as Error);
  }
}

function translateError({ database }: Settings, error: Error): Error {
  if (error instanceof ExpectedError) return error;
  if (isPermissionDenied(error)) {
    return unreachable(`role "${database.user}" in "${database.name}": ${error.message}`, error);
  }
  if (isConnectionLost(error)) {
    return unreachable(
      `the connection to "${database.name}" was lost (${error.message}); the history says what was kept, run it again to carry on`,
      error,
    );
  }
  return isServerTrouble(error) ? unreachable(`the server says: ${error.message}`, error) : error;
}
