import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

// Replaced by the bundler with the digest of what went in.
declare const PGSTEAD_SOURCES: string | undefined;

const ROOMS = ["cli", "config", "docker", "operate"];

/**
 * In a checkout the bundle stands beside its sources, and one that is older than they are would act
 * on yesterday's code. Anywhere else there is nothing to compare.
 */
export function assertFresh(bundle: string): void {
  if (typeof PGSTEAD_SOURCES !== "string") return;
  const root = join(dirname(bundle), "..");
  const files = ROOMS.flatMap((room) => walk(root, room));
  if (files.length === 0) return;
  const built = statSync(bundle).mtimeMs;
  // Each start pays for this: no `join`, no sorting.
  if (files.every((file) => statSync(`${root}/${file}`).mtimeMs <= built)) return;
  // A checkout changes the times of files without changing their content.
  if (digestOf(root, files.sort()) === PGSTEAD_SOURCES) return;
  console.error(
    'error: dist/pgstead.cjs is older than its sources; "npm run build" builds it again',
  );
  process.exit(1);
}

export const sourceFiles = (root: string): string[] =>
  ROOMS.flatMap((room) => walk(root, room)).sort();

/** A name without a dot is a folder's. */
function walk(root: string, folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(`${root}/${folder}`);
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const path = `${folder}/${name}`;
    if (path.endsWith(".ts")) return [path];
    return name.includes(".") ? [] : walk(root, path);
  });
}

export function digestOf(root: string, files: string[]): string {
  // Loaded here: only a bundle under suspicion pays for it.
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}
