import fc from "fast-check";
import { expect, test } from "vitest";
import { inspectPart } from "../../operate/migrate/history/inspect-part.ts";
import { splitStatements } from "../../operate/migrate/sql/statements.ts";
import { countStatements, type Piece, StatementScanner } from "../../operate/statement-scanner.ts";

const parts = [
  "select 1;",
  "select ';', 'it''s;', E'\\';', e'a\\\\';",
  'select ";" from "a;""b";',
  "select $$;$$, $a$;$$;$a$, a$b from t;",
  "-- ; '\nselect 2;",
  "/* ; /* ' */ $$ ; */ select 3;",
  "do $body$ begin perform ';'; end $body$;",
  "select 'é😀;' as é;",
  "select E'a'';b\\';' from t;",
  "create or replace function f(begin int) returns int begin atomic select case when true then 1 end; select 2; end;",
  "create procedure p() language plpgsql as 'begin null; end'; select 1 as end;",
  "create rule r as on insert to t do also (select 1; select 2);",
  "------- ;\n/* ; */ select 4;",
  `insert into t values ('${"x;".repeat(60)}');`,
];

test("the scanner splits as Postgres does, wherever the text is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...parts), { minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 90 }),
      async (chosen, step) => {
        const sql = `${chosen.join("\n")}\nselect 'last'`;
        const scanner = new StatementScanner();
        const found: Piece[] = [];
        for (let i = 0; i < sql.length; i += step)
          found.push(...scanner.push(sql.slice(i, i + step)));
        found.push(...scanner.push("", true));
        const wanted = await splitStatements(sql);
        expect(found.map(({ text }) => text).join("")).toBe(sql);
        expect(found.map(withoutSemicolon)).toEqual(wanted.map(({ text }) => text));
        expect(countStatements(found)).toBe(wanted.length);
      },
    ),
    { numRuns: 200 },
  );
});

const withoutSemicolon = ({ text, words }: Piece) =>
  text.slice(words).replace(/\s*;$/, "").trimEnd();

const slow: [string, (size: number) => string][] = [
  ["a ruler of dashes", (size) => `-- ${"-".repeat(size)}\nselect 1;`],
  ["many line comments", (size) => `${"-- a;\n".repeat(size / 6)}select 1;`],
  ["many block comments", (size) => `${"/*;*/".repeat(size / 5)}select 1;`],
  ["an open comment", (size) => "/*".repeat(size / 2)],
  ["open quotes", (size) => `select ${"'';".repeat(size / 3)}'`],
  ["dollars", (size) => `select ${"$a ".repeat(size / 3)}`],
  ["semicolons", (size) => ";".repeat(size)],
  ["blanks", (size) => `${" \n".repeat(size / 2)};`],
];

test.each(slow)("%s: the scanner passes each character once", (_, make) => {
  const stepsFor = (size: number) => {
    const scanner = new StatementScanner();
    const text = make(size);
    expect(
      scanner
        .push(text, true)
        .map((piece) => piece.text)
        .join(""),
    ).toBe(text);
    expect(scanner.steps).toBeLessThanOrEqual(text.length);
    return scanner.steps;
  };
  expect(stepsFor(600_000)).toBeLessThanOrEqual(2 * stepsFor(300_000) + 2);
});

test.each(slow)(
  "%s: whether a file may run is known without trying every way to read it",
  async (_, make) => {
    const sql = make(60_000);
    const part = { path: "0001_a.sql", sql, firstLine: 1, directives: {} };
    expect(await inspectPart(part)).toMatchObject({ mode: "transaction", sql });
  },
);
