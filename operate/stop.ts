import { ExitCode, ExpectedError } from "./error.ts";

const EXIT_CODES = {
  SIGHUP: ExitCode.hangup,
  SIGINT: ExitCode.interrupted,
  SIGTERM: ExitCode.terminated,
} as const;

export type StopName = keyof typeof EXIT_CODES;

export class Stopped extends ExpectedError {
  readonly by: StopName;

  constructor(by: StopName) {
    super(
      EXIT_CODES[by],
      `stopped by ${by}; the running statement was cancelled and unfinished files were removed`,
    );
    this.by = by;
  }
}

const controller = new AbortController();

/** One per process: a signal ends everything that a verb has begun. Its reason is a `Stopped`. */
export const stopSignal = controller.signal;

/** The first request counts. */
export const requestStop = (by: StopName) => controller.abort(new Stopped(by));
