import { inspect } from "node:util";
import {
  addDoneBefore,
  type DoneBefore,
  ExitCode,
  ExpectedError,
  isDiskFailure,
  readDoneBefore,
} from "../operate/error.ts";

/** What the person's side asks of the agent. */
export interface Request {
  verb: string;
  args: string[];
  options: Record<string, string | boolean | undefined>;
  json: boolean;
  yes: boolean;
  /** The folder of migrations on the person's side, for messages. */
  migrations: string;
}

/** What a half of a verb ended with. */
export interface Ended {
  /** Of a split verb. */
  answer?: unknown;
  /** Of an agent verb. */
  exitCode?: ExitCode;
}

export interface Failed {
  message: string;
  exitCode: ExitCode;
  /** Of a migration: where it failed, in parts that programs can read. */
  failure?: unknown;
  doneBefore?: DoneBefore;
  /** Set if the error is a bug. */
  stack?: string;
}

export type Answered = Ended | { failed: Failed };

export function describeFailure(error: unknown): Failed {
  const doneBefore = readDoneBefore(error);
  return { ...describeError(error), ...(doneBefore && { doneBefore }) };
}

function describeError(error: unknown): Failed {
  if (error instanceof ExpectedError) {
    const { message, exitCode, failure } = error as ExpectedError & { failure?: unknown };
    return { message, exitCode, ...(failure !== undefined && { failure }) };
  }
  if (isDiskFailure(error)) return { message: messageOf(error), exitCode: ExitCode.unreachable };
  // A file that is not there, or not ours. The message names the path.
  if (isSystemError(error)) return { message: messageOf(error), exitCode: ExitCode.mistake };
  return { message: String(error), exitCode: ExitCode.mistake, stack: inspect(error) };
}

/** The error of the other side, to be thrown on this one. */
export function errorFrom({ doneBefore, ...failed }: Failed): Error {
  const error = createError(failed);
  return doneBefore ? addDoneBefore(error, doneBefore) : error;
}

function createError({ message, exitCode, failure, stack }: Failed): Error {
  if (stack !== undefined) return Object.assign(new Error(message), { stack });
  const error = new ExpectedError(exitCode, message);
  return failure === undefined ? error : Object.assign(error, { failure });
}

const messageOf = ({ message }: NodeJS.ErrnoException) => message.replace(/^[A-Z]+: /, "");

/** Node does not name the path when a folder is read as a file. */
const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error &&
  "syscall" in error &&
  ("path" in error || (error as NodeJS.ErrnoException).code === "EISDIR");
