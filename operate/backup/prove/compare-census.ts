import { runChecks } from "../../checks/check.ts";
import { withClient } from "../../connect/database.ts";
import type { Settings } from "../../settings.ts";
import { type Census, readCensus } from "../format/census.ts";
import type { Manifest } from "../format/manifest.ts";
import { readFacts } from "../take/snapshot.ts";
import { askVectors } from "./vector-query.ts";

export interface Comparison {
  problems: string[];
  compared: string[];
}

/** Whether a restored database is the one that was dumped (S14): what it holds, and that it answers. */
export async function compare(
  restored: Settings,
  manifest: Manifest,
  { checks, backups }: Pick<Settings, "checks" | "backups">,
): Promise<Comparison> {
  const problems: string[] = [];
  const compared: string[] = [];
  await withClient(restored, { purpose: "verify" }, async (client) => {
    await client.query("begin read only");
    const census = await readCensus(client);
    await client.query("commit");
    problems.push(...differences(manifest, census));
    compared.push(...words(manifest));
    const facts = await readFacts(client, backups?.auditHead);
    // A backup of before the key was set has no head.
    const head = manifest.auditHead && backups?.auditHead ? (["auditHead"] as const) : [];
    for (const fact of ["schemaVersion", "pgvectorVersion", ...head] as const) {
      const [then, now] = [JSON.stringify(manifest[fact]), JSON.stringify(facts[fact])];
      if (then !== now) problems.push(`${fact}: ${now} instead of ${then}`);
    }
    const asked = await askVectors(client);
    problems.push(...asked.problems);
    if (asked.queries > 0) compared.push(`${asked.queries} vector queries`);
  });
  const sql = checks.filter((check) => "sql" in check);
  const answers = await runChecks({ ...restored, checks: sql }, manifest.pgvectorVersion !== null);
  for (const { name, passed, detail } of answers) {
    if (!passed) problems.push(`check "${name}": ${detail}`);
  }
  compared.push(`${answers.length} checks`);
  return { problems, compared };
}

export function differences(manifest: Manifest, census: Census): string[] {
  return [
    ...unequal("rows of", manifest.rows, census.rows),
    ...unequal("number of", manifest.objects ?? {}, census.objects),
    ...unequal("content of", manifest.sums ?? {}, census.sums),
    ...behind(manifest.sequences ?? {}, census.sequences),
  ];
}

function unequal<T>(what: string, then: Record<string, T>, now: Record<string, T>): string[] {
  return Object.entries(then)
    .filter(([name, value]) => now[name] !== value)
    .map(([name, value]) => `${what} ${name}: ${now[name] ?? "none"} instead of ${value}`);
}

/** Numbers that were given out before the dump must not come again. */
function behind(then: Census["sequences"], now: Census["sequences"]): string[] {
  return Object.entries(then).flatMap(([name, { at, step, cycles }]) => {
    const found = now[name];
    if (!found) return [`sequence ${name} is missing`];
    const ahead = (BigInt(found.at) - BigInt(at)) * (BigInt(step) < 0n ? -1n : 1n);
    return cycles || ahead >= 0n ? [] : [`sequence ${name} stands at ${found.at}, before ${at}`];
  });
}

function words({ rows, objects, sums, sequences }: Manifest): string[] {
  const counted = Object.values(rows).reduce((sum, count) => sum + count, 0);
  return [
    `${Object.keys(rows).length} tables with ${counted} rows`,
    ...(sums ? [`content of ${Object.keys(sums).length} tables`] : []),
    ...(objects ? [`${Object.keys(objects).length} kinds of objects`] : []),
    ...(sequences ? [`${Object.keys(sequences).length} sequences`] : []),
  ];
}
