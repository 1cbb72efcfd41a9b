import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { readSettings } from "../../operate/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "pgstead-settings-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let stderr: string[];
beforeEach(() => {
  stderr = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => stderr.push(String(text)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const file = join(folder, "settings.json");
function read(settings: object) {
  writeFileSync(file, JSON.stringify(settings));
  return readSettings(file);
}

const known = {
  stack: "prod",
  engine: "docker",
  database: { host: "/var/run/postgresql", port: 5432, name: "app", user: "migrator" },
  migrations: { folder: "/srv/migrations", outOfOrder: "skip" },
  checks: [
    { name: "rows", sql: "SELECT 1", expect: 1 },
    { name: "page", url: "https://example.com" },
  ],
  vector: { dimensions: 3 },
  backups: { folder: "/srv/backups", keepDays: 30, bucket: { name: "copies" } },
};

test("known keys give no warning, and what is left out has its default", () => {
  expect(read(known)).toMatchObject({
    ...{ stack: "prod", vector: { dimensions: 3 } },
    migrations: { files: "*", outOfOrder: "skip", protected: false },
    checks: [{ expect: "1" }, { expect: 200 }],
    backups: {
      ...{ keepDays: 30, keepWeeks: 0, schedule: "0 2 * * *", verify: "each" },
      bucket: { region: "us-east-1", prefix: "" },
    },
  });
  expect(stderr).toEqual([]);
});

test("keys of a later version are ignored, and the warning names each, at every depth", () => {
  const [rows, page] = known.checks;
  const later = {
    ...known,
    replicas: { count: 2 },
    database: { ...known.database, pooler: true },
    checks: [rows, { ...page, retries: 3 }],
    vector: { ...known.vector, probesMax: 1 },
    backups: {
      ...known.backups,
      keepYears: 5,
      bucket: { ...known.backups.bucket, replica: { region: "eu-west-1" } },
    },
  };
  expect(read(later)).toEqual(read(known));
  expect(stderr).toEqual([
    `warning: this version of pgstead ignores keys in ${file} that it does not know: database.pooler, checks.1.retries, vector.probesMax, backups.bucket.replica, backups.keepYears, replicas\n`,
  ]);
});

test.each([
  ["keepDays: 0", { backups: { ...known.backups, keepDays: 0 } }, "backups.keepDays"],
  ["an engine of a later version", { engine: "kubernetes" }, "engine"],
  ["a check without expect", { checks: [{ name: "a", sql: "SELECT 1" }] }, "checks[0]"],
  [
    "keepYears and verify: never",
    { backups: { folder: "/b", keepYears: 1, verify: "never" } },
    "backups.verify",
  ],
])("fails for a wrong value of a known key: %s", (_, change, key) => {
  expect(() => read({ ...known, ...change })).toThrow(
    new RegExp(
      `^the settings in ${file} do not fit this version of pgstead; run "pgstead up" to write them again\n[^]*→ at ${key.replace(/[.[\]]/g, "\\$&")}`,
    ),
  );
});

test("a schedule that has had its last run can be read, so that a restore works", () => {
  const schedule = "0 2 30 2 *";
  expect(read({ ...known, backups: { ...known.backups, schedule } }).backups?.schedule).toBe(
    schedule,
  );
});
