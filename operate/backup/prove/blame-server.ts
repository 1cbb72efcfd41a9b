import { CannotVerify } from "../format/cannot-verify.ts";

/** PostgreSQL's messages for what the scratch server lacks; the backup is not the cause. */
const LACKS_OF_SERVER =
  /No space left on device|could not resize shared memory|out of memory|out of shared memory|was terminated by signal 9|shared_preload_libraries|is not available/i;

/** Returns `CannotVerify` if the error or the server's log has such a message, or else the error. */
export function blameServer(error: Error, log: string): Error {
  const reason = [error.message, ...log.split("\n")].find((line) => LACKS_OF_SERVER.test(line));
  return reason ? new CannotVerify(`the scratch server could not restore it: ${reason}`) : error;
}
