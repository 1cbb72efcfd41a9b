import { join } from "node:path";

/** The checkout, or `node_modules/pgstead`. This file and the bundle are one folder below it. */
export const packageRoot = join(import.meta.dirname, "..");

/** For a Pulumi CLI without a language host of its own. */
export const LANGUAGE_HOST_FOLDER = join(packageRoot, "tools", "language-host");
