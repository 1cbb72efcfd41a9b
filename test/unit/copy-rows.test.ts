import fc from "fast-check";
import { expect, test } from "vitest";
import { readScript } from "../../operate/migrate/files/copy-rows.ts";
import type { Directives } from "../../operate/migrate/files/directives.ts";
import { inspectPart } from "../../operate/migrate/history/inspect-part.ts";
import { type Piece, StatementScanner } from "../../operate/statement-scanner.ts";

const read = (text: string) => readScript("0001_a.sql", text);

test.each([
  ["of any case", "COPY t FROM STDIN;\n", "1\n"],
  ["with options", "copy t (a, b) from stdin with (format csv, header);\n", "a,b\n1,2\n"],
  ["with quoted names", 'copy "s;"."a(b" ("from x") from stdin;\n', "1\n"],
  ["with comments", "copy t /* ; */ from -- ;\n stdin /* ' */; -- rows\n", "1\n"],
  ["from STDOUT", "copy t from stdout;\n", "1\n"],
  ["without rows", "copy t from stdin;\n", ""],
  ["with rows like SQL", "copy t from stdin;\n", "'\n$$\n;drop table t;\n/*\ncopy t from stdin;\n"],
  [
    "with rows like directives",
    "copy t from stdin;\n",
    "-- migrate:down\n\\restrict a\n \\.\n\\.x\n",
  ],
  ["with other line ends in a row", "copy t from stdin;\n", "a\r\\.\n\u2028\\.\n😀\n"],
])("rows of a COPY %s are found, and what follows keeps its place", (_, copy, rows) => {
  for (const eol of ["\n", "\r\n"]) {
    const convert = (text: string) => text.replaceAll("\n", eol);
    const text = convert(`select 1;\n${copy}${rows}\\.\nselect 'é';`);
    const { sql, copies } = read(text);
    expect(copies.map((one) => [...one.rows].join(""))).toEqual([convert(rows)]);
    const [{ start = 0, from = 0, end = 0, line = 0 } = {}] = copies;
    expect(text.slice(start, from)).toBe(convert(copy));
    expect(text.slice(from, end)).toBe(convert(`${rows}\\.\n`));
    expect(line).toBe(text.slice(0, from).split("\n").length);
    expect(sql).toHaveLength(text.length);
    expect(sql.slice(from, end).trim()).toBe("");
    expect(sql.slice(end)).toBe(text.slice(end));
    expect(sql.split("\n")).toHaveLength(text.split("\n").length);
  }
});

test("the last line needs no line break", () => {
  expect(read("copy t from stdin;\n1\n\\.").copies.map(({ rows }) => [...rows])).toEqual([["1\n"]]);
});

test.each([
  "select 'copy t from stdin;\n\\.\n\\restrict a\n';",
  "do $$ begin\n\\restrict a\ncopy t from stdin;\n\\.\n end $$;",
  "-- copy t from stdin;\nselect 1;",
  "/*\ncopy t from stdin;\n\\restrict a\n*/ select 1;",
  "copy (select a from stdin) to stdout;\nselect 1;",
  "copy t from program 'stdin';\nselect 1;",
  "copy t from '/stdin';\nselect 1;",
  "copy t from '/file' where stdin = 1;\nselect 1;",
  "select copy from stdin;\nselect 1;",
])("%j has no rows and stays as it is", (text) => {
  expect(read(text)).toEqual({ sql: text, copies: [] });
});

test("pg_dump's restrict is blanked, and no other command of psql is", async () => {
  const dump = (command: string) => `-- a\n\\restrict aB9\n\nselect 1;\n${command}\n`;
  expect(read(dump("\\unrestrict aB9")).sql).toBe(
    `-- a\n${" ".repeat(13)}\n\nselect 1;\n${" ".repeat(15)}\n`,
  );
  for (const command of ["\\restrict a \\! id", "\\! id", "\\copy t from stdin", "\\restrict"]) {
    const { sql } = read(dump(command));
    const part = { path: "0001_a.sql", sql, firstLine: 1, directives: {} };
    const message = `0001_a.sql:5: "${command.split(" ")[0]}" is a command of psql`;
    await expect(inspectPart(part)).rejects.toThrow(message);
  }
});

test.each([
  ["copy t from stdin;\n1\n", /0001_a.sql:3: the rows after COPY ... FROM stdin have no end/],
  ["copy t from stdin;", /0001_a.sql:1: the rows after COPY ... FROM stdin have no end/],
  ["copy t from stdin; select 1;\n1\n\\.\n", /0001_a.sql:1: "select 1;" is on the line of a COPY/],
])("%j is refused", (text, message) => {
  expect(() => read(text)).toThrow(message);
});

test.each([
  [{ noTransaction: true }],
  [{ backfill: { table: "t", key: "id", batch: 1, pauseMs: 0 } }],
])("with %j, a COPY with rows is refused with its line", async (directives: Directives) => {
  const { sql, copies } = read("select 1;\ncopy t from stdin;\n1\n\\.\n");
  const part = { path: "0001_a.sql", sql, copies, firstLine: 4, directives };
  await expect(inspectPart(part)).rejects.toThrow(/0001_a.sql:5: COPY with rows does not run/);
});

test("a COPY without its semicolon is refused, because nothing would send its rows", async () => {
  const { sql, copies } = read("select 1;\ncopy t from stdin;\n\\.\ncopy t from stdin");
  const part = { path: "0001_a.sql", sql, copies, firstLine: 1, directives: {} };
  await expect(inspectPart(part)).rejects.toThrow(/0001_a.sql:4: this COPY has no rows/);
});

const pieces = [
  "copy t from stdin;\n1;\n'\n\\.\n",
  "\\restrict abc\n",
  "-- copy\nCopy t (a) From Stdin; -- rows\r\n\\N\r\n\\.\r\n",
  "select ';';\n",
  "copy t from stdin;\n\\.\n",
];

test("the scanner finds the same rows, wherever the text is cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      (chosen, step, isOpen) => {
        const text = chosen.join("") + (isOpen ? "copy t from stdin;\n1\n2" : "");
        const scan = (length: number) => {
          const scanner = new StatementScanner({ script: true });
          const found: Piece[] = [];
          for (let i = 0; i < text.length; i += length)
            found.push(...scanner.push(text.slice(i, i + length)));
          found.push(...scanner.push("", true));
          expect(
            found
              .map((piece) => piece.text)
              .join("")
              .trimEnd(),
          ).toBe(text.trimEnd());
          return found.reduce<[string, string][]>((all, { kind, text: one }) => {
            const last = all.at(-1);
            if (kind === "rows" && last?.[0] === "rows") last[1] += one;
            else all.push([kind, one]);
            return all;
          }, []);
        };
        expect(scan(step)).toEqual(scan(text.length));
      },
    ),
    { numRuns: 300, seed: 16 },
  );
});
