import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const checkout = join(import.meta.dirname, "..", "..");
const FOLDERS =
  "cli components config dist docker examples migrations operate postgres stacks tools";
const FILES = "Pulumi.yaml index.ts package.json tsconfig.json";

/** Copies the files that a project needs into `folder`, and links the installed packages. */
export function copyProject(folder: string): void {
  for (const name of `${FOLDERS} ${FILES}`.split(" ")) {
    cpSync(join(checkout, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"));
}
