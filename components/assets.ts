import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
/** Run as they stand in a checkout, or compiled into `dist/components/` of the package. */
const root = import.meta.url.endsWith(".ts") ? join(here, "..") : join(here, "..", "..");

/** The program `pgstead`, found from this module, so that it works from wherever a program runs. */
export const bundle = join(root, "dist", "pgstead.cjs");

/** What goes into the images. */
export const imageFolder = join(root, "postgres");
