import { writeFileSync } from "node:fs";
import { ExpectedError } from "../../../operate/error.ts";

/** Pulumi ends with 255 whatever failed; `pgstead up` reads the real code from here. */
export function reportExitCode(code: number): void {
  const file = process.env.PGSTEAD_EXIT_CODE_FILE;
  if (file && code !== 0) writeFileSync(file, String(code));
}

/** Runs a step of `up`; `up` ends with the exit code of the step's error. */
export async function withReportedExitCode<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof ExpectedError) reportExitCode(error.exitCode);
    throw error;
  }
}
