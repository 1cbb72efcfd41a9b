// Replaced by the bundler, so that the one file knows its version wherever it runs.
declare const PGSTEAD_VERSION: string | undefined;

export const version = typeof PGSTEAD_VERSION === "string" ? PGSTEAD_VERSION : "0.0.0-source";
