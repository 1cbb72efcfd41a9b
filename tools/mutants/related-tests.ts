import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import ts from "typescript";

/** Tests of the bundle do not see a change of its sources; `retention-proof` takes half a minute. */
export const LEFT_OUT = ["help", "old-agent", "start", "retention-proof"].map(
  (name) => `test/unit/${name}.test.ts`,
);
const FOLDERS = ["test/unit", "test/components"];

/** For each test file that needs no server: how many imports away each source is. */
export function readDistances(root: string): Map<string, Map<string, number>> {
  const imports = new Map<string, string[]>();
  const tests = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `${folder}/${name}`)
      .filter((test) => !LEFT_OUT.includes(test)),
  );
  return new Map(tests.map((test) => [test, distancesFrom(test)]));

  function distancesFrom(start: string): Map<string, number> {
    const distances = new Map([[start, 0]]);
    for (const [file, distance] of distances) {
      for (const imported of importsOf(file)) {
        if (!distances.has(imported)) distances.set(imported, distance + 1);
      }
    }
    return distances;
  }

  function importsOf(file: string): string[] {
    const known = imports.get(file);
    if (known) return known;
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), "utf8"), true, true);
    const found = importedFiles
      .map(({ fileName }) => fileName)
      .filter((name) => name.startsWith(".") && name.endsWith(".ts"))
      .map((name) => normalize(join(dirname(file), name)));
    imports.set(file, found);
    return found;
  }
}
