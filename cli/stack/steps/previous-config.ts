import { isDeepStrictEqual } from "node:util";
import { CHANGE_MS } from "../../../docker/run-docker.ts";
import { askEngine, findOnEngine } from "../docker/ask-engine.ts";
import type { WantedServer } from "./server-trial.ts";

/** Keys of the stack's file, as they were before the last change: `postgres.cpus`; null for no such key. */
export type PreviousKeys = Record<string, unknown>;

export interface PreviousConfig {
  keys: PreviousKeys;
  /** The same change has replaced the image, too. */
  isOtherImage: boolean;
}

const LABEL = "pgstead.previous";
const volumeOf = (prefix: string) => `${prefix}-previous`;

/** The keys in which `before` differs. */
export function listChangedKeys(before: WantedServer, after: WantedServer): PreviousKeys {
  const [old, present] = [readKeys(before), readKeys(after)];
  return Object.fromEntries(
    Object.entries(old).filter(([key, value]) => !isDeepStrictEqual(value, present[key])),
  );
}

function readKeys({ given, port, tls, ...server }: WantedServer): PreviousKeys {
  return {
    "postgres.settings": Object.keys(given).length > 0 ? given : null,
    "postgres.cpus": server.cpus ?? null,
    "postgres.memoryMb": server.memoryMb ?? null,
    "postgres.maintenanceWorkMemMb": server.maintenanceWorkMemMb ?? null,
    "postgres.stopSeconds": server.stopSeconds,
    // A given certificate and its key are not recorded.
    ...(tls !== "given" && { "postgres.tls": tls ?? null }),
    publish: port !== undefined,
    ...(port !== undefined && { port }),
  };
}

/** In the label of an empty volume: `undo` may run on another machine, while no container runs. */
export async function recordPrevious(prefix: string, config: PreviousConfig): Promise<void> {
  await forgetPreviousConfig(process.env, prefix);
  if (Object.keys(config.keys).length === 0) return;
  const label = ["--label", `${LABEL}=${JSON.stringify(config)}`];
  await askEngine(process.env, ["volume", "create", ...label, volumeOf(prefix)], CHANGE_MS);
}

/** Undefined if the last change was one of the image only. */
export async function findPreviousConfig(
  env: NodeJS.ProcessEnv,
  prefix: string,
): Promise<PreviousConfig | undefined> {
  const format = `{{index .Labels "${LABEL}"}}`;
  const inspect = ["volume", "inspect", "--format", format, volumeOf(prefix)];
  const found = await findOnEngine(env, inspect);
  return found ? (JSON.parse(found) as PreviousConfig) : undefined;
}

export async function forgetPreviousConfig(env: NodeJS.ProcessEnv, prefix: string): Promise<void> {
  await findOnEngine(env, ["volume", "rm", volumeOf(prefix)], CHANGE_MS);
}
