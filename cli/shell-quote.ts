/** A value for a POSIX shell. */
export const quoteForShell = (value: string) => `'${value.replaceAll("'", "'\\''")}'`;

/** Quotes only where a shell needs it, because some readers of `.env` files take quotes for a part of the value. */
export const quoteIfNeeded = (value: string) =>
  /^[\w./:@%+=?,-]*$/.test(value) ? value : quoteForShell(value);
