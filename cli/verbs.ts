import type { Verb } from "./verb.ts";

/** Every verb of `pgstead`, in the order of `--help`. */
export const verbs: Verb[] = [];
