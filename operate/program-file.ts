import { realpathSync } from "node:fs";

/** The file of this very program. `npx` starts it through a link in a folder of npm's own. */
export const programFile = () => realpathSync(process.argv[1] as string);
