import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
/** The modules run from a checkout as they are, or compiled from `dist/components/` of the package. */
const root = import.meta.url.endsWith(".ts") ? join(here, "..") : join(here, "..", "..");

/** The program `pgstead`. Its path follows from this module, so the working directory does not matter. */
export const bundle = join(root, "dist", "pgstead.cjs");

/** The folder with the Dockerfiles and the files of the images. */
export const imageFolder = join(root, "postgres");
