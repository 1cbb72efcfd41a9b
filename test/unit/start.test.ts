import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";

let folder: string;
let cache: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pgstead-start-"));
  cache = join(folder, "cache");
  for (const file of ["start.cjs", "pgstead.cjs"]) cpSync(join("dist", file), join(folder, file));
  return () => rmSync(folder, { recursive: true });
});

function start(...args: string[]) {
  const { status, stdout, stderr } = spawnSync("node", [join(folder, "start.cjs"), ...args], {
    encoding: "utf8",
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  return { status, stdout, stderr };
}
const kept = () => readdirSync(join(cache, "pgstead", "start"));
const fine = { status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: "" };

test("what V8 made of the program is kept, and the program does the same with it", () => {
  expect(start("--version")).toEqual(fine);
  const [first] = kept();
  expect(kept()).toEqual([expect.stringMatching(/\.v8$/)]);
  expect(start("--version")).toEqual(fine);
  expect(kept()).toEqual([first]);
  expect(start("nonsense")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("unknown command"),
  });
});

test("a broken cache is made anew, another program has another, and none is needed", () => {
  start("--version");
  const file = join(cache, "pgstead", "start", kept()[0]!);
  writeFileSync(file, "not what V8 made");
  expect(start("--version")).toEqual(fine);
  expect(readFileSync(file).length).toBeGreaterThan(1000);

  const program = readFileSync(join(folder, "pgstead.cjs"), "utf8");
  writeFileSync(join(folder, "pgstead.cjs"), `${program}\nconsole.error("changed");`);
  expect(start("--version").stderr).toBe("changed\n");
  expect(kept()).toHaveLength(2);

  rmSync(cache, { recursive: true });
  writeFileSync(cache, "a file where the folder should be");
  expect(start("--version").stderr).toBe("changed\n");
});
