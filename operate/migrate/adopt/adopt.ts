import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import { refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile } from "../files/files.ts";
import { readHistory, recordRow } from "../history/history.ts";
import { readSchema, toSql } from "../schema/snapshot.ts";
import { type RunOptions, setRole, withRunner } from "../session/runner.ts";
import {
  type CustomTable,
  type ForeignHistory,
  readForeignHistory,
  type Tool,
} from "./foreign-history.ts";
import { matchFiles } from "./match.ts";

export interface AdoptOptions extends RunOptions, CustomTable {
  from: Tool;
  /** Takes files whose content is not what the other tool recorded. */
  acceptEdited?: boolean;
}

export interface AdoptPlan {
  database: string;
  from: Tool;
  /** The other tool's table; read, and left as it is. */
  table: string;
  /** Its own word for where the database is. */
  at: string[];
  record: string[];
  /** The file that stands for the live schema, where the other tool has no SQL files. */
  baseline: Baseline | null;
  pending: string[];
}

export interface Baseline {
  path: string;
  sql: string;
  /** Objects of the live schema that it does not hold. */
  left: string[];
}

interface Prepared {
  plan: AdoptPlan;
  files: MigrationFile[];
}

const BASELINE = "0000_baseline";

/** What `adopt` will record. Reads only. */
export async function planAdoption(settings: Settings, options: AdoptOptions): Promise<AdoptPlan> {
  const purpose = { purpose: "migrate adopt" };
  return (await withSession(settings, purpose, (client) => prepare(client, settings, options)))
    .plan;
}

/** Writes the baseline, and returns its path; undefined if the folder holds the same file already. */
export function writeBaseline(folder: string, { sql }: Pick<Baseline, "sql">): string | undefined {
  const path = join(folder, `${BASELINE}.sql`);
  mkdirSync(folder, { recursive: true });
  try {
    writeFileSync(path, sql, { flag: "wx" });
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    if (readFileSync(path, "utf8") === sql) return undefined;
    throw differs(path);
  }
}

/** Takes over from another tool without running anything. A baseline is in the folder already. */
export async function adopt(settings: Settings, options: AdoptOptions): Promise<AdoptPlan> {
  return withRunner(settings, "migrate adopt", options, async ({ client, toolVersion }) => {
    const { plan, files } = await prepare(client, settings, options);
    if (plan.baseline && files.length === 0) {
      throw refused(`${plan.baseline.path} is missing; it has to hold the live schema`);
    }
    const note = { action: "adopt", from: plan.from, table: plan.table, at: plan.at };
    const rows = files.map((file) => recordRow(client, file, "adopt", toolVersion, note));
    await client.query(["begin", ...setRole(client, settings), ...rows, "commit"].join(";\n"));
    return plan;
  });
}

async function prepare(
  client: Client,
  settings: Settings,
  options: AdoptOptions,
): Promise<Prepared> {
  const { rows } = await readHistory(client);
  const recorded = [...rows.values()].filter(({ state }) => state !== "undone");
  if (recorded.length > 0) {
    throw refused(
      `"${client.database}" has a history of pgstead already, up to ${recorded.at(-1)?.version}; there is nothing to adopt`,
    );
  }
  const history = await readForeignHistory(client, options.from, options);
  const all = findFiles(settings.migrations);
  const base = {
    database: settings.database.name,
    from: options.from,
    table: history.table,
    at: history.entries.map(({ version }) => version).slice(-3),
  };
  if (options.from === "alembic") return withBaseline(client, settings, base, history, all);
  const { files, unmatched, edited } = matchFiles(options.from, all, history);
  refuse(unmatched, edited, options);
  const record = files.map(({ version }) => version);
  const pending = all.filter((file) => !files.includes(file)).map(({ version }) => version);
  return { plan: { ...base, record, baseline: null, pending }, files };
}

/** Its revisions are programs; from here on the schema they made is the first file. */
async function withBaseline(
  client: Client,
  settings: Settings,
  base: Pick<AdoptPlan, "database" | "from" | "table" | "at">,
  history: ForeignHistory,
  all: MigrationFile[],
): Promise<Prepared> {
  const objects = await readSchema(client, [history.table]);
  const path = join(settings.migrations.folder, `${BASELINE}.sql`);
  const heading = `-- migrate:irreversible: this is the schema as ${base.from} had made it, at ${base.at.join(", ") || "no revision"}
-- Rows are not in it: reference data that ${base.from} inserted belongs into a file of its own.`;
  const sql = toSql(objects, heading);
  const written = all.find(({ version }) => version === BASELINE);
  if (written && readFileSync(written.path, "utf8") !== sql) throw differs(written.path);
  const [first] = all;
  if (first && first !== written && first.version <= BASELINE) {
    throw refused(`"${first.version}" stands where the baseline "${BASELINE}" has to: first`);
  }
  const left = objects.filter((object) => object.sql === null).map(({ name }) => name);
  return {
    plan: {
      ...base,
      record: [BASELINE],
      baseline: { path, sql, left },
      pending: all.map(({ version }) => version).filter((version) => version !== BASELINE),
    },
    files: written ? [written] : [],
  };
}

const differs = (path: string) =>
  refused(`${path} is not the live schema; move it away, then adopt again`);

function refuse(unmatched: string[], edited: string[], { from, acceptEdited }: AdoptOptions): void {
  const lines: string[] = [];
  if (unmatched.length > 0) {
    lines.push(
      `${from} has applied what has no file here: ${unmatched.join(", ")}; bring these files`,
    );
  }
  if (edited.length > 0 && !acceptEdited) {
    lines.push(
      `edited since ${from} applied them: ${edited.join(", ")}; bring them back, or take them as they are with --accept-edited`,
    );
  }
  if (lines.length > 0) throw refused(lines.join("\n"));
}
