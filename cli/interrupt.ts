import { ExitCode, ExpectedError } from "../operate/error.ts";

/** Lets `use` clean up behind itself when it is told to stop; the second time it is over at once. */
export async function untilInterrupted<T>(use: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const stop = () =>
    controller.abort(new ExpectedError(ExitCode.mistake, "stopped; nothing half-done was left"));
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    return await use(controller.signal);
  } catch (error) {
    // Whatever fails because of the stop fails in its own words.
    if (controller.signal.aborted) throw controller.signal.reason;
    throw error;
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}
