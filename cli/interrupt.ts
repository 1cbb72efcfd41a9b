import { addDoneBefore, type ExpectedError, readDoneBefore } from "../operate/error.ts";
import { requestStop, type StopName, Stopped, stopSignal } from "../operate/stop.ts";

const SIGNALS: StopName[] = ["SIGINT", "SIGTERM", "SIGHUP"];
/** Time to cancel statements and remove files. After it the process ends, whatever it does. */
const GRACE_MS = 20_000;

const reason = () => stopSignal.reason as ExpectedError;

/**
 * Stops when the terminal or the reader of the output is gone. For the whole life of the process: `--help`
 * has such a reader too, and the error of a write can come after the last line of a verb.
 */
export function stopOnBrokenOutput(): void {
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    requestStop("SIGHUP");
  };
  for (const output of [process.stdout, process.stderr]) output.on("error", onError);
}

/**
 * Runs `use` until it ends or the process is told to stop: by a signal, or by `stopOnBrokenOutput`. The
 * second signal ends the process at once.
 */
export async function untilStopped<T>(use: () => Promise<T>): Promise<T> {
  stopSignal.throwIfAborted();
  const onSignal = (name: NodeJS.Signals) => {
    if (stopSignal.aborted) process.exit(reason().exitCode);
    requestStop(name as StopName);
  };
  const onStop = () => {
    // Also if nothing is left to wait for, and the process ends by itself.
    process.exitCode = reason().exitCode;
    setTimeout(() => process.exit(reason().exitCode), GRACE_MS).unref();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  stopSignal.addEventListener("abort", onStop, { once: true });
  try {
    return await use();
  } catch (error) {
    const doneBefore = readDoneBefore(error);
    // A verb may know what the stop left. Other errors after it have no message of their own.
    if (error instanceof Stopped) throw doneBefore ? addDoneBefore(error, doneBefore) : error;
    if (stopSignal.aborted && doneBefore) addDoneBefore(reason(), doneBefore);
    stopSignal.throwIfAborted();
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}
