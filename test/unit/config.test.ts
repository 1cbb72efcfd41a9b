import { describe, expect, test } from "vitest";
import { parseConfig } from "../../config/config.ts";

const parse = (raw: Record<string, unknown>, isSecret?: (key: string) => boolean) =>
  parseConfig(
    "local",
    Object.fromEntries(
      Object.entries(raw).map(([key, value]) => [
        `pgstead:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]),
    ),
    isSecret,
  );
const mistakes = (raw: Record<string, unknown>, isSecret?: (key: string) => boolean) => {
  try {
    parse(raw, isSecret);
  } catch (error) {
    return (error as Error).message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
  throw new Error("no mistake was found");
};

test("an empty configuration has every default", () => {
  expect(parse({})).toMatchObject({
    engine: "embedded",
    port: 5433,
    database: "app",
    migrations: { folder: "migrations", runOn: "always" },
    checks: [],
  });
});

test("keys of other projects are none of ours", () => {
  expect(() =>
    parseConfig("local", { "aws:region": "eu-west-1", "docker:host": "x" }),
  ).not.toThrow();
});

describe("fails", () => {
  test.each([
    [{ port: "80" }, 'pgstead:port: got "80", allowed: 1024 or more'],
    [{ port: "70000" }, 'pgstead:port: got "70000", allowed: 65535 or less'],
    [{ prot: "1" }, 'pgstead:prot: unknown key; did you mean "pgstead:port"?'],
    [{ zzzzzz: "1" }, "pgstead:zzzzzz: unknown key"],
    [
      { database: "My DB" },
      /^pgstead:database: got "My DB", allowed: a name of lower-case letters/,
    ],
    [{ migrations: "oops" }, 'pgstead:migrations: is a section, got "oops"'],
    [
      { migrations: { foldr: "x" } },
      'pgstead:migrations.foldr: unknown key; did you mean "pgstead:migrations.folder"?',
    ],
    [
      { migrations: { runOn: "never" } },
      'pgstead:migrations.runOn: got "never", allowed: "always", "changed"',
    ],
    [
      { postgres: { version: 16 } },
      "pgstead:postgres.version: got 16, allowed: 17, 18, or a minor of theirs, like 18.1",
    ],
    [{ checks: [{ name: "a", url: "nope" }] }, 'pgstead:checks.0.url: got "nope", allowed: a URL'],
    [
      { checks: [{ name: "a", sql: "SELECT 1" }] },
      "pgstead:checks.0.expect: got nothing, allowed: a text, a number, or true and false",
    ],
  ])("on %j", (raw, message) => {
    const found = mistakes(raw);
    expect(found).toHaveLength(1);
    expect(found[0]).toEqual(
      typeof message === "string" ? message : expect.stringMatching(message),
    );
  });

  test("once, with every mistake", () => {
    expect(mistakes({ prot: "1", port: "x", migrations: { runOn: 3 } })).toHaveLength(3);
  });

  test("without showing a secret", () => {
    expect(mistakes({ database: "S3CRET PASS" }, () => true).join()).not.toContain("S3CRET");
  });
});
