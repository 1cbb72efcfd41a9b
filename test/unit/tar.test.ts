import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { pack, packFolder } from "../../cli/stack/docker/tar.ts";

const folder = () => mkdtempSync(join(tmpdir(), "pgstead-tar-"));

test("the system's tar reads what was packed, long names and empty files included", () => {
  const [from, to] = [folder(), folder()];
  const long = join("a".repeat(90), `${"b".repeat(90)}.sql`);
  mkdirSync(join(from, "a".repeat(90)));
  const files = { "0001_ä.sql": "select 'ü';\n", [long]: "x".repeat(513), "empty.sql": "" };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(from, name), text);
  execFileSync("tar", ["-xf", "-", "-C", to], { input: packFolder(from) });
  for (const [name, text] of Object.entries(files)) {
    expect(readFileSync(join(to, name), "utf8")).toBe(text);
  }
});

test("the system's tar reads permissions and links", () => {
  const to = folder();
  const run = { path: "run.sh", content: Buffer.from("#!/bin/sh\n"), mode: 0o755 };
  const archive = pack([run, { path: "link", mode: 0o777, link: "run.sh" }]);
  execFileSync("tar", ["-xf", "-", "-C", to], { input: archive });
  expect(statSync(join(to, "run.sh")).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(to, "link"))).toBe("run.sh");
});

test("links are followed; a link to a folder around it, and a pipe, are refused or left out", () => {
  const [from, other, to] = [folder(), folder(), folder()];
  writeFileSync(join(other, "up.sql"), "select 1;");
  symlinkSync(other, join(from, "0001_a"));
  symlinkSync(from, join(from, "self"));
  execFileSync("tar", ["-xf", "-", "-C", to], { input: packFolder(from) });
  expect(readFileSync(join(to, "0001_a", "up.sql"), "utf8")).toBe("select 1;");
  expect(existsSync(join(to, "self"))).toBe(false);
  execFileSync("mkfifo", [join(from, "0002_b.sql")]);
  expect(() => packFolder(from)).toThrow("0002_b.sql is not a regular file");
});

test("the same files make the same bytes", () => {
  const [one, other] = [folder(), folder()];
  for (const each of [one, other]) writeFileSync(join(each, "1.sql"), "select 1;");
  expect(packFolder(one).equals(packFolder(other))).toBe(true);
});

test("fails for a name no archive holds, and for a folder that is not there", () => {
  const from = folder();
  writeFileSync(join(from, `${"n".repeat(120)}.sql`), "");
  expect(() => packFolder(from)).toThrow("is too long; 100 bytes is the limit");
  expect(() => packFolder(join(from, "none"))).toThrow("cannot read the migrations folder");
});
