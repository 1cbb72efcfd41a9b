import type * as Fs from "node:fs";
import { linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isLockHolder, tryFileLock } from "../../operate/file-lock.ts";
import { readStartTime } from "../../operate/process-identity.ts";

/** What another process does between our read of a dead holder's file and our rename of it. */
const other = vi.hoisted(() => ({ acts: () => {} }));

vi.mock("node:fs", async (original) => {
  const fs = await original<typeof Fs>();
  const renameSync: typeof fs.renameSync = (from, to) => {
    const act = other.acts;
    other.acts = () => {};
    act();
    fs.renameSync(from, to);
  };
  return { ...fs, renameSync };
});

const DEAD = { pid: 2 ** 22 - 3, purpose: "dead", since: "", identity: "boot/1" };
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lock-"));
  path = join(folder, "lock");
  writeFileSync(path, JSON.stringify(DEAD));
});
afterEach(() => rmSync(folder, { recursive: true }));

const alive = () => {
  const identity = readStartTime(process.ppid) as string;
  return { pid: process.ppid, purpose: "other", since: "", identity };
};

function replaceHolder(holder: object): void {
  rmSync(path);
  writeFileSync(`${path}.other`, JSON.stringify(holder));
  linkSync(`${path}.other`, path);
  rmSync(`${path}.other`);
}

test("a lock that another process took from the same dead holder is given back to it", () => {
  other.acts = () => replaceHolder(alive());
  const result = tryFileLock(path, "ours");
  expect(isLockHolder(result) && result).toMatchObject({ pid: process.ppid, purpose: "other" });
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(alive());
  expect(readdirSync(folder)).toEqual(["lock"]);
});
