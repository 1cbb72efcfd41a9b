import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const PAGE = "docs/failure-modes.md";
const CITING = ["cli", "components", "config", "docs", "operate", "postgres", "stacks", "test"];
const PARTS = ["What happens", "What pgstead does", "What you do", "Tests"];

interface Claim {
  file: string;
  title: string;
}

interface Entry {
  heading: string;
  /** Undefined for a danger that has no number. */
  number: number | undefined;
  text: string;
  claims: Claim[];
}

/** Entries begin with a heading of the third level; a claim is a line: - `test/file`: "title". */
function readEntries(page: string): Entry[] {
  return page
    .split(/^### /m)
    .slice(1)
    .map((section) => {
      const text = section.split(/^## /m)[0] as string;
      const heading = text.split("\n")[0] as string;
      const number = /^S(\d+): /.exec(heading)?.[1];
      const claims = [...text.matchAll(/^- `(test\/[^`]+)`: "(.+)"$/gm)];
      return {
        heading,
        number: number === undefined ? undefined : Number(number),
        text,
        claims: claims.map(([, file, title]) => ({ file: file as string, title: title as string })),
      };
    });
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".") || entry.name === "node_modules") return [];
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

const citedIn = (text: string): number[] =>
  [...text.matchAll(/\bS(\d+)\b/g)].map(([, number]) => Number(number));

/** S3 is also the name of a service, so there only "S3:", "S3," and "(S3)" cite the danger. */
const cites = (text: string, number: number): boolean =>
  new RegExp(number === 3 ? "\\bS3[:,]|\\(S3\\)" : `\\bS${number}\\b`).test(text);

function findUnlisted(texts: Record<string, string>, entries: Entry[]): string[] {
  const listed = new Set(entries.map(({ number }) => number));
  return Object.entries(texts).flatMap(([file, text]) =>
    [...new Set(citedIn(text))]
      .filter((number) => !listed.has(number))
      .map((number) => `${file} cites S${number}, and ${PAGE} has no entry for it`),
  );
}

/** The text of a test from its title to the next test; undefined when there is no such title. */
function findTest(source: string, title: string): string | undefined {
  const quoted = ['"', "'", "`"].map((quote) => source.indexOf(quote + title + quote));
  const start = quoted.find((index) => index >= 0);
  if (start === undefined) return undefined;
  const body = source.slice(start);
  const end = body.search(/\n\s*(?:test|describe)\b/);
  return end < 0 ? body : body.slice(0, end);
}

function findFalseClaims(entries: Entry[], read: (file: string) => string | undefined): string[] {
  return entries.flatMap(({ heading, number, claims }) =>
    claims.flatMap(({ file, title }) => {
      const source = read(file);
      if (source === undefined) return [`"${heading}" claims ${file}, which does not exist`];
      const found = findTest(source, title);
      if (found === undefined) return [`"${heading}" claims "${title}", which is not in ${file}`];
      if (number === undefined || cites(found, number)) return [];
      return [`"${heading}" claims "${title}" of ${file}, which does not name S${number}`];
    }),
  );
}

const entries = readEntries(readFileSync(PAGE, "utf8"));
const readFile = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : undefined);

test("every danger that is cited has an entry", () => {
  const files = CITING.flatMap(filesBelow);
  const texts = Object.fromEntries(files.map((file) => [file, readFileSync(file, "utf8")]));
  expect(files.length).toBeGreaterThan(300);
  expect(findUnlisted(texts, entries)).toEqual([]);
});

test("every test that an entry claims exists and names the danger", () => {
  expect(entries.flatMap(({ claims }) => claims).length).toBeGreaterThan(50);
  expect(findFalseClaims(entries, readFile)).toEqual([]);
});

test("the numbers have no gap and no double", () => {
  const numbers = entries.flatMap(({ number }) => number ?? []);
  expect(numbers.length).toBeGreaterThanOrEqual(35);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
});

test.each(entries)(
  "$heading: has all its parts, and a test or the words that there is none",
  ({ text, claims }) => {
    const missing = PARTS.filter((part) => !text.includes(`**${part}.**`));
    expect(missing).toEqual([]);
    expect(claims.length > 0 || text.includes("No test yet")).toBe(true);
  },
);

describe("fails", () => {
  const entry = (number: number, claim: string) =>
    readEntries(`# Page\n\n### S${number}: a danger\n\n**Tests.**\n\n${claim}\n\n## Later\n`);
  const claim = '- `test/a.test.ts`: "saves the day"';

  // Not written as one word: this file must not cite a danger that does not exist.
  const unknown = `S${99}`;

  test.each([
    [`// as in ${unknown}`, [`a.ts cites ${unknown}, and ${PAGE} has no entry for it`]],
    ["// as in S7", []],
    [`// X${unknown}`, []],
  ])("on a number without an entry, and on no other: %s", (text, expected) => {
    expect(findUnlisted({ "a.ts": text }, entry(7, claim))).toEqual(expected);
  });

  test.each([
    [7, undefined, "which does not exist"],
    [7, 'test("saves the night", () => {});', "which is not in test/a.test.ts"],
    [7, 'test("saves the day", () => {});', "which does not name S7"],
    [7, 'test("saves the day", () => {});\ntest("another (S7)", () => {});', "not name S7"],
    [3, 'test("saves the day", () => {\n  // On S3 and its API.\n});', "which does not name S3"],
  ])("on a claim of S%i that is not true: %s", (number, source, message) => {
    const [problem, ...more] = findFalseClaims(entry(number, claim), () => source);
    expect([problem, more]).toEqual([expect.stringContaining(message), []]);
  });

  test.each([
    [7, 'test("saves the day", () => {\n  // S7: the reason.\n});'],
    [3, 'test("saves the day", () => {\n  // (S3)\n});'],
  ])("not on a claim of S%i whose test names it in its body: %s", (number, source) => {
    expect(findFalseClaims(entry(number, claim), () => source)).toEqual([]);
  });
});
