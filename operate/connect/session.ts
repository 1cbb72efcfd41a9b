import type { Client, DatabaseError } from "pg";
import { ExpectedError, mistake, unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";
import { type ConnectOptions, withClient } from "./database.ts";
import {
  isConnectionLost,
  isPermissionDenied,
  isServerAnswer,
  isServerTrouble,
} from "./sqlstate.ts";

/** Like `withClient`, but errors of the server become expected errors with an exit code. */
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
      `the connection to "${database.name}" was lost (${error.message}); the history has recorded what was done, run the command again to continue`,
      error,
    );
  }
  if (isServerTrouble(error)) return unreachable(`the server reports: ${error.message}`, error);
  return isServerAnswer(error) ? mistake(describeAnswer(error), error) : error;
}

function describeAnswer(error: Error): string {
  const { message, code, detail, hint } = error as DatabaseError;
  return [
    `the server reports: ${message} (SQLSTATE ${code})`,
    ...(detail ? [`detail: ${detail}`] : []),
    ...(hint ? [`hint: ${hint}`] : []),
  ].join("\n");
}
