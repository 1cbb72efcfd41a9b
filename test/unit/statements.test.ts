import pg from "pg";
import { expect, test } from "vitest";
import { splitUnits } from "../../operate/migrate/run/split-units.ts";
import { repairOutcome } from "../../operate/migrate/run/statement-outcome.ts";
import type { Runner } from "../../operate/migrate/session/runner.ts";
import { classifyOutside, classifyStatement } from "../../operate/migrate/sql/statement-kind.ts";
import { splitStatements } from "../../operate/migrate/sql/statements.ts";

const unitsOf = (sql: string) =>
  splitUnits({ path: "0001_a.sql", sql, firstLine: 1, directives: {} });

test.each([
  "create table sensors (id int, temp numeric)",
  "create table t as select 1 as temp",
  "select 'into temp' as temporary",
])("%s makes no temporary table", async (sql) => {
  expect(await unitsOf(sql)).toHaveLength(1);
});

test.each([
  "create temp table t ()",
  "create temporary table if not exists t as table u",
  "select 1 into temp t union select 2",
  "create table pg_temp.t ()",
  "create temp view v as select 1",
  "create temp sequence s",
])("%s is refused", async (sql) => {
  await expect(unitsOf(sql)).rejects.toThrow(/0001_a.sql:1: a temporary table/);
});

test.each([
  ["reindex table t", "attempt", "catalog"],
  ["reindex index i", "attempt", "catalog"],
  ["cluster t using i", "attempt", "catalog"],
  ["alter subscription s refresh publication", "attempt", "catalog"],
  ["call p()", "attempt", "unknowable"],
  ["discard plans", "transactional", "catalog"],
  ["discard all", "setting", "catalog"],
])("%s is of the kind %s, outside a transaction %s", async (sql, kind, outside) => {
  const [statement] = await splitStatements(sql);
  expect(classifyStatement(statement!)).toBe(kind);
  expect(classifyOutside(statement!)).toBe(outside);
});

test("DISCARD ALL keeps our locks", async () => {
  const [unit] = await unitsOf("discard all");
  expect(unit?.sql).toMatch(/^close all; reset all; .*discard sequences$/);
});

test("an interrupted DETACH CONCURRENTLY is finalized, whatever comments it has", async () => {
  const [statement] = await splitStatements(
    'alter table s."P" detach partition c concurrently -- a comment\n/* more */;',
  );
  const sent: string[] = [];
  const client = {
    query: async (sql: string) => void sent.push(sql),
    escapeIdentifier: pg.escapeIdentifier,
  };
  const runner = { client } as unknown as Runner;
  const intent = { kind: "catalog" as const, since: "" };
  expect(await repairOutcome(runner, "half-detached", intent, statement!)).toBe("done");
  expect(sent).toEqual(['alter table "s"."P" detach partition "c" finalize']);
});
