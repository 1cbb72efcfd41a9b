import { backupSettings } from "../backup/backup-settings.ts";
import { unreachable } from "../error.ts";
import type { Settings } from "../settings.ts";

const TIMEOUT_MS = 5_000;

/** Asks the agent in this container for its health, over HTTP. */
export async function fetchHealth(
  settings: Settings,
): Promise<{ fresh: boolean; answer: unknown }> {
  const { metricsPort } = backupSettings(settings);
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`http://127.0.0.1:${metricsPort}/healthz`, { signal });
    return { fresh: response.ok, answer: await response.json() };
  } catch (error) {
    throw unreachable(`the agent does not answer on port ${metricsPort}`, error);
  }
}
