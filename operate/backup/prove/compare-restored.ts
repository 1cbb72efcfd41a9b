import { runChecks } from "../../checks/run-checks.ts";
import { withClient } from "../../connect/database.ts";
import type { Settings } from "../../settings.ts";
import { type Census, readCensus } from "../format/census.ts";
import type { Manifest } from "../format/manifest.ts";
import { readDatabaseFacts } from "../take/dump-snapshot.ts";
import { queryVectorIndexes } from "./query-vector-indexes.ts";

export interface Comparison {
  problems: string[];
  /** What was compared, as text for people. */
  compared: string[];
}

/** Compares a restored database with the manifest, and runs vector queries and checks on it (S14). */
export async function compareWithManifest(
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
    problems.push(...findDifferences(manifest, census));
    compared.push(...describeCensus(manifest));
    await client.query("begin read only");
    const facts = await readDatabaseFacts(client, backups?.auditHead);
    await client.query("commit");
    // A backup from before the key was set has no head.
    const head = manifest.auditHead && backups?.auditHead ? (["auditHead"] as const) : [];
    for (const fact of ["schemaVersion", "pgvectorVersion", ...head] as const) {
      const [expected, found] = [JSON.stringify(manifest[fact]), JSON.stringify(facts[fact])];
      if (expected !== found) problems.push(`${fact}: ${found} instead of ${expected}`);
    }
    const vectors = await queryVectorIndexes(client);
    problems.push(...vectors.problems);
    if (vectors.queries > 0) compared.push(`${vectors.queries} vector queries`);
    if (vectors.leftOut.length > 0)
      compared.push(`no query of the vector indexes ${vectors.leftOut.join(", ")}`);
  });
  const sql = checks.filter((check) => "sql" in check);
  const answers = await runChecks({ ...restored, checks: sql }, manifest.pgvectorVersion !== null);
  for (const { name, passed, detail } of answers) {
    if (!passed) problems.push(`check "${name}": ${detail}`);
  }
  compared.push(`${answers.length} checks`);
  return { problems, compared };
}

function findDifferences(manifest: Manifest, census: Census): string[] {
  return [
    ...findUnequal("rows of", manifest.rows, census.rows),
    ...findUnequal("number of", manifest.objects ?? {}, census.objects),
    ...findUnequal("content of", manifest.sums ?? {}, census.sums),
    ...findSequencesBehind(manifest.sequences ?? {}, census.sequences),
  ];
}

function findUnequal<T>(
  what: string,
  expected: Record<string, T>,
  found: Record<string, T>,
): string[] {
  return Object.entries(expected)
    .filter(([name, value]) => found[name] !== value)
    .map(([name, value]) => `${what} ${name}: ${found[name] ?? "none"} instead of ${value}`);
}

/** A restored sequence must not return numbers that it returned before the dump. */
function findSequencesBehind(expected: Census["sequences"], found: Census["sequences"]): string[] {
  return Object.entries(expected).flatMap(([name, { at, step, cycles }]) => {
    const restored = found[name];
    if (!restored) return [`sequence ${name} is missing`];
    const ahead = (BigInt(restored.at) - BigInt(at)) * (BigInt(step) < 0n ? -1n : 1n);
    const isBehind = !cycles && ahead < 0n;
    return isBehind ? [`sequence ${name} is at ${restored.at}, behind ${at}`] : [];
  });
}

function describeCensus({ rows, objects, sums, sequences }: Manifest): string[] {
  const counted = Object.values(rows).reduce((sum, count) => sum + count, 0);
  return [
    `${Object.keys(rows).length} tables with ${counted} rows`,
    ...(sums ? [`content of ${Object.keys(sums).length} tables`] : []),
    ...(objects ? [`${Object.keys(objects).length} kinds of objects`] : []),
    ...(sequences ? [`${Object.keys(sequences).length} sequences`] : []),
  ];
}
