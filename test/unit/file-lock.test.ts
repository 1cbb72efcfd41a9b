import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type FileLock, isLockHolder, tryFileLock } from "../../operate/file-lock.ts";

const newPath = () => join(mkdtempSync(join(tmpdir(), "lock-")), "lock");

test("the second to ask is told who has it, and gets it after the release", () => {
  const path = newPath();
  const first = tryFileLock(path, "first") as FileLock;
  const second = tryFileLock(path, "second");
  expect(isLockHolder(second) && second).toMatchObject({ pid: process.pid, purpose: "first" });
  first.release();
  expect(existsSync(path)).toBe(false);
  expect(isLockHolder(tryFileLock(path, "second"))).toBe(false);
});

test.each([
  ["that died", { pid: 2 ** 22 - 3, purpose: "x", since: "", identity: "boot/1" }],
  [
    "whose pid another process has now",
    { pid: process.pid, purpose: "x", since: "", identity: "boot/1" },
  ],
])("a holder %s does not count", (_who, holder) => {
  const path = newPath();
  writeFileSync(path, JSON.stringify(holder));
  expect(isLockHolder(tryFileLock(path, "next"))).toBe(false);
});

test("a release leaves the file of another holder", () => {
  const path = newPath();
  const first = tryFileLock(path, "first") as FileLock;
  const other = JSON.stringify({ pid: process.ppid, purpose: "other", since: "", identity: "x" });
  writeFileSync(path, other);
  first.release();
  expect(readFileSync(path, "utf8")).toBe(other);
});

test("a lock file cut off half-way does not count", () => {
  const path = newPath();
  writeFileSync(path, '{"pid":1');
  expect(isLockHolder(tryFileLock(path, "next"))).toBe(false);
});

test("of many that ask at once over a dead holder's file one gets it", async () => {
  const path = newPath();
  writeFileSync(
    path,
    JSON.stringify({ pid: 2 ** 22 - 3, purpose: "x", since: "", identity: "b/1" }),
  );
  const program = `
    const { tryFileLock, isLockHolder } = await import(${JSON.stringify(join(process.cwd(), "operate/file-lock.ts"))});
    const wait = Number(process.argv[1]) - Date.now();
    await new Promise((resolve) => setTimeout(resolve, wait));
    console.log(isLockHolder(tryFileLock(${JSON.stringify(path)}, "racer")) ? "told" : "got it");
    await new Promise((resolve) => setTimeout(resolve, 3000));`;
  const start = String(Date.now() + 2_500);
  const answers = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const racer = spawn(process.execPath, [
        "--import",
        "tsx",
        "--input-type=module",
        "-e",
        program,
        start,
      ]);
      let said = "";
      racer.stdout.on("data", (data) => {
        said += data;
      });
      await new Promise((resolve) => racer.once("close", resolve));
      return said.trim();
    }),
  );
  expect(answers.filter((answer) => answer === "got it")).toHaveLength(1);
  expect(answers.filter((answer) => answer === "told")).toHaveLength(7);
}, 30_000);
