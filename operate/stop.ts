import { ExitCode, ExpectedError } from "./error.ts";

const EXIT_CODES = {
  SIGHUP: ExitCode.hangup,
  SIGINT: ExitCode.interrupted,
  SIGTERM: ExitCode.terminated,
} as const;

export type StopName = keyof typeof EXIT_CODES;

const controller = new AbortController();

/** One per process: a signal ends everything that a verb has begun. Its reason is the error to show. */
export const stopSignal = controller.signal;

/** The first request counts. */
export function requestStop(name: StopName): void {
  controller.abort(
    new ExpectedError(
      EXIT_CODES[name],
      `stopped by ${name}; the running statement was cancelled and unfinished files were removed`,
    ),
  );
}
