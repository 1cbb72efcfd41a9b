import { unreachable } from "../../../operate/error.ts";
import { formatAge, formatBytes } from "../../../operate/human-units.ts";
import { createEngineError, runInContainer } from "./ask-engine.ts";
import { newestProvenIn } from "./proven-backup.ts";

export interface ServerFacts {
  rows: number;
  bytes: number;
  /** Version of the extension in each database that has it. */
  pgvector: Record<string, string>;
}

/** Runs a query over the socket inside the server's container. */
export async function askServer(
  container: string,
  superuser: string,
  database: string,
  sql: string,
): Promise<string> {
  const psql = ["psql", "-U", superuser, "-d", database, "-AtXqc", sql];
  // S27: as in every connection of our own.
  const env = ["-e", "PGOPTIONS=-c search_path=pg_catalog,pg_temp"];
  const exec = ["exec", "-u", "postgres", ...env, container, ...psql];
  const answer = await runInContainer(process.env, exec);
  if (answer.kind === "found") return answer.stdout.trim();
  if (answer.kind !== "failed") throw createEngineError(process.env, answer);
  throw unreachable(`could not ask database "${database}": ${answer.stderr.trim()}`);
}

export async function readServerFacts(
  { superuser }: { superuser: string },
  container: string,
): Promise<ServerFacts> {
  const ask = (database: string, sql: string) => askServer(container, superuser, database, sql);
  const names = "select datname from pg_database where datallowconn and not datistemplate";
  const facts: ServerFacts = { rows: 0, bytes: 0, pgvector: {} };
  for (const database of (await ask("postgres", names)).split("\n")) {
    const answer = await ask(
      database,
      `select coalesce((select extversion from pg_extension where extname = 'vector'), ''),
              pg_database_size(current_database()),
              (select coalesce(sum(n_live_tup), 0) from pg_stat_user_tables)`,
    );
    const [version = "", size, rows] = answer.split("|");
    if (version !== "") facts.pgvector[database] = version;
    facts.bytes += Number(size);
    facts.rows += Number(rows);
  }
  return facts;
}

/** What data the change puts at risk, in a sentence for the end of a refusal. */
export async function describeLoss(prefix: string, facts: ServerFacts): Promise<string> {
  const held = `at stake: about ${facts.rows} rows, ${formatBytes(facts.bytes)}`;
  // An engine that fails now must not replace the refusal.
  const newest = await newestProvenIn(`${prefix}-agent`).catch(() => "unknown" as const);
  if (newest === "unknown") return `${held}; the agent could not be asked for its backups`;
  if (!newest) return `${held}; no backup has been proven yet`;
  return `${held}; the newest proven backup is ${formatAge(newest.takenAt, new Date())} old (${newest.id})`;
}
