import { spawnSync } from "node:child_process";
import { join } from "node:path";

const script = join(import.meta.dirname, "..", "fixture", "programs");

/** Installs what is missing of these programs where it may; else says why, for the test to skip. */
export function findLack(...programs: string[]): string | undefined {
  const { status, stderr } = spawnSync(script, programs, { encoding: "utf8" });
  return status === 0 ? undefined : stderr.trim().split("\n").at(-1);
}
