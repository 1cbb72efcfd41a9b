import { readFileSync } from "node:fs";
import type { RecoveredKeys } from "../components/engines/docker.ts";

/** `pgstead recover` names the file for one run. */
export function readRecoveredKeys(): RecoveredKeys | undefined {
  const file = process.env.PGSTEAD_RECOVERED_KEYS;
  return file ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
