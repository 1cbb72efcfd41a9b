import { readdirSync } from "node:fs";
import { join, relative } from "node:path";

/** `*` matches inside one folder, `**` across folders. Node 20 has no glob of its own. */
export function globPattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*\*\/?|\*|\?/g, (each) =>
      each.startsWith("**") ? "(?:.*)" : each === "*" ? "[^/]*" : "[^/]",
    );
  return new RegExp(`^${source}$`);
}

/** Lists every file and link below a folder as sorted relative paths. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
