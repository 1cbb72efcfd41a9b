/** First part of the name of each of our keys in a stack's file. */
export const PREFIX = "pgstead:";
