import { readFileSync } from "node:fs";
import { unreachable } from "../error.ts";
import { findLockHolder } from "../file-lock.ts";
import type { Settings } from "../settings.ts";
import { requireEmbeddedFolder } from "./embedded-folder.ts";
import { paths } from "./embedded-paths.ts";

export interface ServerState {
  running: boolean;
  pid?: number;
  since?: string;
  port?: number;
}

export function readServerState(settings: Settings): ServerState {
  const folder = requireEmbeddedFolder(settings);
  const holder = findLockHolder(paths.lock(folder));
  if (!holder) return { running: false };
  return {
    running: true,
    pid: holder.pid,
    since: holder.since,
    port: readServedPort(folder, holder.pid),
  };
}

/** The server of another checkout may listen on this port, and it would accept our migrations. */
export function assertOurServer(settings: Settings): void {
  if (!settings.embedded || readServerState(settings).port === settings.database.port) return;
  throw unreachable(
    `the embedded server of stack "${settings.stack}" is not running; "pgstead up --stack ${settings.stack}" starts it`,
  );
}

/** Undefined while the server starts. The file of a crashed server contains another pid. */
function readServedPort(folder: string, pid: number): number | undefined {
  try {
    const served = JSON.parse(readFileSync(paths.running(folder), "utf8"));
    return served.pid === pid ? served.port : undefined;
  } catch {
    return undefined;
  }
}
