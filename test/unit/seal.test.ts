import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { assertReadable } from "../../operate/backup/format/check-dump.ts";
import { isGood, type Manifest } from "../../operate/backup/format/manifest.ts";
import { Seal } from "../../operate/backup/format/seal.ts";
import type { Settings } from "../../operate/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "seal-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}
const sealOf = (name: string, key: string) => new Seal({ sealKeyFile: file(name, key) });
const KEY = "0123456789abcdef";

test("S13: a seal holds for the same content in any order, and for a key with a newline after it", () => {
  const record = { id: "a", auditHead: null, rows: { b: 2, a: 1 }, warnings: ["x", "y"] };
  const signed = sealOf("key", KEY).sign(record);
  const { id, ...rest } = { ...signed, rows: { a: 1, b: 2 }, missing: undefined };
  expect(sealOf("key-newline", `${KEY}\n`).check({ ...rest, id, standing: "sound" })).toBe("sound");
});

test("S13: a seal breaks with any change, and another key's is foreign", () => {
  const seal = sealOf("key", KEY);
  const signed = seal.sign<Record<string, unknown>>({ id: "a", auditHead: null, warnings: ["x"] });
  const changes = [{ id: "b" }, { auditHead: {} }, { warnings: ["y"] }, { more: 1 }];
  for (const change of changes) expect(seal.check({ ...signed, ...change })).toBe("broken");
  const { key, mac } = signed.seal as { key: string; mac: string };
  const short = { ...signed, seal: { key, mac: mac.slice(1) } };
  expect(seal.check(short)).toBe("broken");
  expect(sealOf("other", `x${KEY}`).check(signed)).toBe("foreign");
  expect(seal.check({ id: "a" })).toBe("none");
  expect(new Seal({ sealKeyFile: undefined }).check(signed)).toBe("none");
});

test("fails for a seal key that is too short or cannot be read", () => {
  expect(() => sealOf("short", KEY.slice(1))).toThrow(/is too short/);
  expect(() => new Seal({ sealKeyFile: join(folder, "none") })).toThrow(/cannot read the seal key/);
});

test.each([
  ["complete and sound", {}, true],
  ["without a seal", { standing: "none" }, true],
  ["incomplete", { complete: false }, false],
  ["empty", { dump: { size: 0 } }, false],
  ["changed", { standing: "broken" }, false],
])("a backup that is %s counts: %s", (_, change, counts) => {
  const manifest = { complete: true, dump: { size: 1 }, standing: "sound", ...change };
  expect(isGood(manifest as Manifest)).toBe(counts);
});

test("fails for an empty dump, and for a plain one without its last line", async () => {
  const check = (path: string) => assertReadable({} as Settings, path, "plain");
  await expect(check(file("empty", ""))).rejects.toThrow(/pg_dump wrote an empty file/);
  await expect(check(file("cut", gzipSync("SELECT 1;")))).rejects.toThrow(/is truncated/);
  const complete = gzipSync("SELECT 1;\n-- PostgreSQL database dump complete\n");
  await expect(check(file("complete", complete))).resolves.toBeUndefined();
});
