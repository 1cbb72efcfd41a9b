import { expect, test } from "vitest";
import type { Directives } from "../../operate/migrate/files/directives.ts";
import { inspectPart } from "../../operate/migrate/history/inspect-part.ts";

const inspect = (sql: string, directives: Directives = {}) =>
  inspectPart({ path: "0001_a.sql", sql, firstLine: 1, directives });

test.each([
  "set standard_conforming_strings = off",
  "SET LOCAL Standard_Conforming_Strings TO 'false'",
  "set standard_conforming_strings /* old */ = 0",
])("%s is refused: the server has read the strings below it before it runs", async (set) => {
  const refusal = /0001_a.sql:2: ".*" does not change how the strings of this file are read/;
  const sql = `select 1;\n${set};\nselect 'a\\\\b';`;
  await expect(inspect(sql)).rejects.toThrow(refusal);
  await expect(inspect(sql, { noTransaction: true })).rejects.toThrow(refusal);
});

test.each([
  "set standard_conforming_strings = on",
  "set standard_conforming_strings to yes",
  "reset standard_conforming_strings",
  "alter role a set standard_conforming_strings = off",
])("%s is not refused", async (sql) => {
  expect(await inspect(`${sql}; select 1;`)).toMatchObject({ statements: 2 });
});

test.each([
  "begin isolation level serializable",
  "start transaction read only",
  "begin deferrable",
])("%s is refused, because its mode would be lost", async (begin) => {
  const refusal = /0001_a.sql:1: pgstead does not keep the transaction mode of ".*"/;
  const sql = `${begin}; select 1; commit;`;
  await expect(inspect(sql)).rejects.toThrow(refusal);
  await expect(inspect(sql, { noTransaction: true })).rejects.toThrow(refusal);
});

test.each([
  "set local search_path = b",
  "set transaction isolation level serializable",
  "create temp table t (a int) on commit drop",
  "create temp table t on commit delete rows as select 1",
])("%s in a block is refused when statements are below the block", async (sql) => {
  const block = `begin;\n${sql};\ncommit;\n`;
  await expect(inspect(`${block}select 1;`)).rejects.toThrow(
    /0001_a.sql:2: this statement ends with its COMMIT/,
  );
  await expect(inspect(`${block}begin; select 1; commit;`)).rejects.toThrow(/ends with its COMMIT/);
  expect(await inspect(`select 1; ${block}`)).toMatchObject({ mode: "transaction" });
  expect(await inspect(`${block}select 1;`, { noTransaction: true })).toMatchObject({
    mode: "no-transaction",
  });
});
