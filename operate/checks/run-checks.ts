import type pg from "pg";
import { withClient } from "../connect/database.ts";
import type { Check, Settings } from "../settings.ts";

export interface CheckResult {
  name: string;
  passed: boolean;
  detail: string;
}

const URL_TIMEOUT_MS = 10_000;

/** These run after each change that could break something, and with `pgstead check`. */
const HEALTH: Check = { name: "health", sql: "SELECT 1", expect: "1" };

/** With the schema of the extension, so that nobody else's operator answers (S27). */
const PGVECTOR = `
  select format('SELECT ''[1,2,3]''::%1$I.vector OPERATOR(%1$I.<->) ''[1,2,5]''::%1$I.vector', nspname) as sql
  from pg_extension join pg_namespace n on n.oid = extnamespace where extname = 'vector'`;

async function buildVectorCheck(client: pg.Client): Promise<Check> {
  const { rows } = await client.query<{ sql: string }>(PGVECTOR);
  // Without the extension this fails, and PostgreSQL's message says why.
  return { name: "pgvector", sql: rows[0]?.sql ?? "SELECT '[1]'::vector", expect: "2" };
}

/** Runs every check, so that one run shows all failures. */
export async function runChecks(settings: Settings, hasVectors = true): Promise<CheckResult[]> {
  return withClient(settings, { purpose: "check" }, async (client) => {
    const results: CheckResult[] = [];
    const builtIn = [HEALTH, ...(hasVectors ? [await buildVectorCheck(client)] : [])];
    for (const check of [...builtIn, ...settings.checks]) {
      const isOurs = builtIn.includes(check);
      results.push(
        "sql" in check ? await runSqlCheck(client, check, isOurs) : await runUrlCheck(check),
      );
    }
    return results;
  });
}

async function runSqlCheck(
  client: pg.Client,
  { name, sql, expect }: Extract<Check, { sql: string }>,
  isOurs: boolean,
): Promise<CheckResult> {
  try {
    // A check must not write. One that tries fails.
    await client.query("BEGIN READ ONLY");
    if (!isOurs) await client.query("SET LOCAL search_path TO DEFAULT");
    const { rows } = await client.query({ text: sql, rowMode: "array" });
    const got = rows[0] === undefined ? "no row" : String((rows as unknown[][])[0]?.[0]);
    return judge(name, got, expect);
  } catch (error) {
    return { name, passed: false, detail: (error as Error).message };
  } finally {
    await client.query("ROLLBACK").catch(() => {});
  }
}

async function runUrlCheck({
  name,
  url,
  expect,
}: Extract<Check, { url: string }>): Promise<CheckResult> {
  try {
    const signal = AbortSignal.timeout(URL_TIMEOUT_MS);
    const response = await fetch(url, { redirect: "manual", signal });
    return judge(name, String(response.status), String(expect));
  } catch (error) {
    const cause = (error as { cause?: Error }).cause ?? (error as Error);
    return { name, passed: false, detail: cause.message };
  }
}

const judge = (name: string, got: string, expected: string): CheckResult => ({
  name,
  passed: got === expected,
  detail: got === expected ? got : `got ${got}, expected ${expected}`,
});
