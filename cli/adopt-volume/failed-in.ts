import { type ExpectedError, mistake } from "../../operate/error.ts";
import { type Answer, engineError } from "../stack/docker/docker-stack.ts";

/** Docker's own failures end with 125; any other code is of what ran in the container. */
export function failedIn(
  env: NodeJS.ProcessEnv,
  code: Answer["code"],
  stderr: string,
): ExpectedError {
  if (code === 125 || typeof code !== "number") return engineError(env, stderr);
  return mistake(`the old volume is as it was, and this failed: ${stderr.trim()}`);
}
