import type { DatabaseError } from "pg";
import { expect, test } from "vitest";
import { ExitCode } from "../../operate/error.ts";
import type { Part } from "../../operate/migrate/files/source.ts";
import { explainSqlError, type SentSql } from "../../operate/migrate/sql/sql-error.ts";

const SQL = "SELECT 1;\n\tSELECT '😀', wrong;\nSELECT 3;\nSELECT 4;";
const part = { path: "0001_x.sql", sql: SQL, firstLine: 9 } as Part;
const explain = (error: object, sent: Partial<SentSql> = {}) =>
  explainSqlError(
    { message: "it failed", code: "42703", ...error } as DatabaseError,
    { part, offset: 0, text: SQL, ...sent },
    "nothing was changed",
  );
/** As the server counts: from 1, in code points. */
const position = (text: string) => String([...text.slice(0, text.indexOf("wrong"))].length + 1);

test("an error has its line, its column, the lines around it and a caret below", async () => {
  const { message, failure } = await explain({ position: position(SQL) });
  expect(failure).toMatchObject({ line: 10, column: 14, sqlstate: "42703" });
  expect(message.split("\n")).toEqual([
    "0001_x.sql:10:14: it failed (SQLSTATE 42703)",
    "",
    "   9 | SELECT 1;",
    "  10 | \tSELECT '😀', wrong;",
    `     | \t${" ".repeat(12)}^`,
    "  11 | SELECT 3;",
    "",
    "nothing was changed",
  ]);
});

test("what was sent before the file's own SQL does not count", async () => {
  const prefix = "SET x = '😀';\n";
  const text = prefix + SQL;
  const { failure } = await explain({ position: position(text) }, { text, offset: prefix.length });
  expect(failure).toMatchObject({ line: 10, column: 14 });
  expect(
    (await explain({ position: "1" }, { text, offset: prefix.length })).failure.line,
  ).toBeNull();
});

test("an error without a position is at the statement that was running", async () => {
  expect((await explain({}, { completed: 2 })).failure).toMatchObject({ line: 11, column: 1 });
  expect((await explain({}, { at: 0 })).failure).toMatchObject({ line: 9, column: 1 });
  const { message, failure } = await explain({});
  expect(failure.line).toBeNull();
  expect(message).toBe("0001_x.sql: it failed (SQLSTATE 42703)\nnothing was changed");
});

test("a long line is cut", async () => {
  const sql = `SELECT ${"x".repeat(500)};`;
  const { message } = await explain(
    { position: "8" },
    { part: { ...part, sql, firstLine: 1 }, text: sql },
  );
  expect(message.split("\n")[2]).toBe(`  1 | ${sql.slice(0, 160)}`);
});

test("detail, hint and the first line of the context are shown", async () => {
  const { message } = await explain({ detail: "d", hint: "h", where: "first\nsecond" });
  expect(message).toContain("\ndetail: d\nhint: h\ncontext: first\nnothing");
});

test.each([
  ["42703", ExitCode.mistake],
  ["42501", ExitCode.unreachable],
  ["53100", ExitCode.unreachable],
  ["40P01", ExitCode.unreachable],
])(
  "SQLSTATE %s ends with exit code %i: only some errors are the file's",
  async (code, exitCode) => {
    expect((await explain({ code })).exitCode).toBe(exitCode);
  },
);
