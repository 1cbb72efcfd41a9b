import { expect, test } from "vitest";
import { classifyStatement } from "../../operate/migrate/sql/statement-kind.ts";
import { ParseFailure, splitStatements } from "../../operate/migrate/sql/statements.ts";

test("a statement has its place in the text, whatever characters are before it", async () => {
  const sql = "-- é😀\nSELECT 'é';\n\n/* a */ SELECT 2 ;";
  const found = await splitStatements(sql);
  expect(found.map(({ text }) => text)).toEqual(["SELECT 'é'", "SELECT 2"]);
  for (const { text, start } of found) expect(sql.slice(start, start + text.length)).toBe(text);
});

test("text without a statement has none, and a syntax error has its place", async () => {
  expect(await splitStatements(" -- nothing\n")).toEqual([]);
  expect(await splitStatements(";;")).toEqual([]);
  const failure = await splitStatements("SELECT 'é😀';\nSELEC 2").catch((error) => error);
  expect(failure).toBeInstanceOf(ParseFailure);
  expect(failure.index).toBe(14);
});

test.each([
  ["SET a.b = 1", "setting"],
  ["BEGIN", "begin"],
  ["START TRANSACTION", "begin"],
  ["COMMIT", "commit"],
  ["END", "commit"],
  ["ROLLBACK", "rollback"],
  ["PREPARE TRANSACTION 'x'", "rollback"],
  ["COMMIT PREPARED 'x'", "rollback"],
  ["SAVEPOINT a", "transactional"],
  ["RELEASE a", "transactional"],
  ["ROLLBACK TO a", "transactional"],
  ["CREATE INDEX ON t (a)", "transactional"],
  ["CREATE INDEX CONCURRENTLY ON t (a)", "catalog"],
  ["DROP INDEX CONCURRENTLY i", "catalog"],
  ["DROP TABLE t", "transactional"],
  ["REINDEX TABLE t", "attempt"],
  ["REINDEX (CONCURRENTLY) TABLE t", "catalog"],
  ["REINDEX SCHEMA s", "catalog"],
  ["VACUUM t", "catalog"],
  ["ANALYZE t", "transactional"],
  ["CLUSTER", "catalog"],
  ["CLUSTER t", "attempt"],
  ["ALTER SYSTEM SET a = 1", "catalog"],
  ["ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "catalog"],
  ["ALTER TABLE t DETACH PARTITION p", "transactional"],
  ["CALL p()", "attempt"],
  ["DO 'begin end'", "attempt"],
  ["CREATE DATABASE d", "unknowable"],
  ["DROP SUBSCRIPTION s", "unknowable"],
  ["ALTER DATABASE d SET TABLESPACE t", "unknowable"],
  ["ALTER DATABASE d ALLOW_CONNECTIONS true", "transactional"],
])("S8: %s is %s", async (sql, kind) => {
  const [statement] = await splitStatements(sql);
  expect(classifyStatement(statement!)).toBe(kind);
});
