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
  const files = sourceFiles(root);
  if (files.length === 0) return;
  const built = statSync(bundle).mtimeMs;
  if (files.every((file) => statSync(join(root, file)).mtimeMs <= built)) return;
  // A checkout touches files without changing them, so the clock only asks for a closer look.
  if (digestOf(root, files) === PGSTEAD_SOURCES) return;
  console.error('error: dist/pgstead.cjs is older than its sources; "npm run build" makes it anew');
  process.exit(1);
}

export function sourceFiles(root: string): string[] {
  return ROOMS.flatMap((room) => walk(root, room)).sort();
}

function walk(root: string, folder: string): string[] {
  let entries: import("node:fs").Dirent[];
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return walk(root, path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

export function digestOf(root: string, files: string[]): string {
  // Loaded here: only a bundle under suspicion pays for it.
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}
