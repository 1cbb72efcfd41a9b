/** The verification could not run, and the backup is not the cause: neither a pass nor a failure. */
export class CannotVerify extends Error {}
