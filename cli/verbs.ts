import type { Verb } from "./verb.ts";
import { migrateList } from "./verbs/migrate-list.ts";
import { migrateUp } from "./verbs/migrate-up.ts";

/** Every verb of `pgstead`, in the order of `--help`. */
export const verbs: Verb[] = [migrateUp, migrateList];
