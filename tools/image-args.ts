import { nameBaseImage, normalizePgvector } from "../components/server/image.ts";
import type { Base } from "../config/choices.ts";
import { DEFAULTS } from "../config/defaults.ts";

// Prints the build arguments that the components use, for people who build an image by hand.
const base = (process.argv[2] ?? DEFAULTS.postgres.base) as Base;
const args = { BASE_IMAGE: nameBaseImage("18", base), ...normalizePgvector("image", base) };
for (const [name, value] of Object.entries(args)) console.log(`--build-arg=${name}=${value}`);
