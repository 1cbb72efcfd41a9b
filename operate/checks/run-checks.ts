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
const BUILT_IN: Check[] = [
  { name: "health", sql: "SELECT 1", expect: "1" },
  {
    name: "pgvector",
    sql: "SELECT '[1,2,3]'::vector <-> '[1,2,5]'::vector",
    expect: "2",
  },
];

/** Runs every check, so that one run shows all failures. */
export async function runChecks(settings: Settings, hasVectors = true): Promise<CheckResult[]> {
  return withClient(settings, { purpose: "check" }, async (client) => {
    const results: CheckResult[] = [];
    const builtIn = BUILT_IN.filter(({ name }) => hasVectors || name !== "pgvector");
    for (const check of [...builtIn, ...settings.checks]) {
      results.push("sql" in check ? await runSqlCheck(client, check) : await runUrlCheck(check));
    }
    return results;
  });
}

async function runSqlCheck(
  client: pg.Client,
  { name, sql, expect }: Extract<Check, { sql: string }>,
): Promise<CheckResult> {
  try {
    // A check must not write. One that tries fails.
    await client.query("BEGIN READ ONLY");
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
