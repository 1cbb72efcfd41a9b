/** Thrown when a backup could not be tried, through no fault of its own: never a pass, and no failure. */
export class CannotVerify extends Error {}
