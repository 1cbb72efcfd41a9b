import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, test } from "vitest";

/** Which rooms each room may take code from; types may come from `operate/settings.ts` too. */
const MAY_IMPORT: Record<string, string[]> = {
  components: ["components"],
  operate: ["operate"],
  cli: ["cli", "operate"],
};
const SEAM = "operate/settings.ts";

const sources = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : path.endsWith(".ts") ? [path] : [];
  });

function violations(file: string, text: string): string[] {
  const room = file.split("/")[0] as string;
  const statements = text.matchAll(
    /(?:import|export)\s+(type\s+)?[^;'"]*?from\s+"(\.[^"]+)"|import\("(\.[^"]+)"\)/g,
  );
  return [...statements].flatMap(([, typeOnly, from, lazy]) => {
    const target = normalize(join(dirname(file), (from ?? lazy) as string));
    const allowed = MAY_IMPORT[room]?.includes(target.split("/")[0] as string);
    return allowed || (typeOnly && target === SEAM) ? [] : [`${file} imports ${target}`];
  });
}

test.each(Object.keys(MAY_IMPORT))("%s takes code only from where it may", (room) => {
  const files = sources(room);
  expect(files.length).toBeGreaterThan(2);
  expect(files.flatMap((file) => violations(file, readFileSync(file, "utf8")))).toEqual([]);
});

test("fails on an import against the direction, lazy or not", () => {
  expect(violations("components/a.ts", 'import { x } from "../operate/error.ts";')).toHaveLength(1);
  expect(violations("operate/a.ts", 'await import("../cli/main.ts")')).toHaveLength(1);
  expect(violations("components/a.ts", 'import type { S } from "../operate/settings.ts";')).toEqual(
    [],
  );
});
