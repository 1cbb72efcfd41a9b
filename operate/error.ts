/** Exit codes of every verb. Scripts depend on them, so a number never changes its meaning. */
export const ExitCode = {
  fine: 0,
  mistake: 1,
  pending: 2,
  unreachable: 3,
  refused: 4,
  /** A signal ended the verb: 128 and its number, as shells count. */
  hangup: 129,
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * An error that a person can act on. The message is shown without a stack, and the process ends
 * with the exit code. Any other error is a bug in pgstead and is shown with its stack.
 */
export class ExpectedError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ExpectedError";
    this.exitCode = exitCode;
  }
}

/** What a verb had done before it failed, for `--json`: `{ applied: [...] }`. */
export type DoneBefore = Record<string, unknown>;

export function addDoneBefore<E>(error: E, doneBefore: DoneBefore): E {
  return error instanceof Error ? Object.assign(error, { doneBefore }) : error;
}

export const readDoneBefore = (error: unknown): DoneBefore | undefined =>
  (error as { doneBefore?: DoneBefore } | undefined)?.doneBefore;

/** The caller gave a wrong flag, file or setting. */
export const mistake = (message: string, cause?: unknown) =>
  new ExpectedError(ExitCode.mistake, message, { cause });

/** A copy differs from what was written. */
export const damaged = (message: string, cause?: unknown) =>
  new ExpectedError(ExitCode.pending, message, { cause });

/** Full, over its quota, read-only or broken. */
const DISK_CODES = ["ENOSPC", "EDQUOT", "EROFS", "EIO"];

export const isDiskFailure = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && DISK_CODES.includes((error as NodeJS.ErrnoException).code ?? "");

/** A file was not written: the disk refused, or the caller named a wrong place. */
export const cannotWrite = (message: string, cause: unknown) =>
  isDiskFailure(cause) ? unreachable(message, cause) : mistake(message, cause);

/** The database, its engine or a disk cannot be reached, or it refused the request. */
export const unreachable = (message: string, cause?: unknown) =>
  new ExpectedError(ExitCode.unreachable, message, { cause });

/** A guard refused. Nothing was changed. */
export const refused = (message: string, cause?: unknown) =>
  new ExpectedError(ExitCode.refused, message, { cause });
