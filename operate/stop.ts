import { ExitCode, ExpectedError } from "./error.ts";

const EXIT_CODES = {
  SIGHUP: ExitCode.hangup,
  SIGINT: ExitCode.interrupted,
  SIGTERM: ExitCode.terminated,
} as const;

export type StopName = keyof typeof EXIT_CODES;

export class Stopped extends ExpectedError {
  readonly by: StopName;

  /** `outcome`: what the stop left, where the verb knows it. */
  constructor(
    by: StopName,
    outcome = "the running statement was cancelled and unfinished files were removed",
    cause?: unknown,
  ) {
    super(EXIT_CODES[by], `stopped by ${by}; ${outcome}`, { cause });
    this.by = by;
  }
}

const controller = new AbortController();

/** One per process: a signal ends everything that a verb has begun. Its reason is a `Stopped`. */
export const stopSignal = controller.signal;

/** The reason of the stop, with what it left. */
export const describeStop = (outcome: string, cause?: unknown) =>
  new Stopped((stopSignal.reason as Stopped).by, outcome, cause);

/** The first request counts. */
export const requestStop = (by: StopName) => controller.abort(new Stopped(by));
