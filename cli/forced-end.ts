import { writeSync } from "node:fs";
import { stopSignal } from "../operate/stop.ts";

/**
 * A second signal, or an error outside every promise, ends the process before its result is printed.
 * Then stdout still gets JSON. The caller calls the returned function after it has printed the result.
 */
export function reportForcedEnd(): () => void {
  const report = (exitCode: number) => {
    const error = stopSignal.aborted
      ? `${(stopSignal.reason as Error).message}; a second signal ended pgstead before it was done`
      : "pgstead ended before it was done; stderr says why";
    try {
      writeSync(1, `${JSON.stringify({ error, exitCode })}\n`);
    } catch {
      // Nobody reads stdout any more.
    }
  };
  process.on("exit", report);
  return () => process.off("exit", report);
}
