import * as z from "zod";

/** A name that needs no quotes in SQL. */
export const identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/, {
  error: "a name of lower-case letters, digits and _, starting with a letter",
});

export const text = z.string().min(1);

export const url = z.url({ error: "a URL" });

/** A flat key is text in the stack's file, so true and false are read from text. */
export const booleanText = z.stringbool({ error: "true, false" });
