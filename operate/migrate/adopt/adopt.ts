import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import { refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { findFiles, type MigrationFile } from "../files/find-files.ts";
import { readHistory } from "../history/history.ts";
import { buildRecordSql } from "../history/history-sql.ts";
import { readSchema, toSql } from "../schema/snapshot.ts";
import { buildSetRole, type RunOptions, withRunner } from "../session/runner.ts";
import {
  type CustomTable,
  type ForeignHistory,
  hasPrograms,
  readForeignHistory,
  type Tool,
} from "./foreign-history.ts";
import { matchFiles } from "./match.ts";

export interface AdoptOptions extends RunOptions, CustomTable {
  from: Tool;
  /** Accept files whose content differs from what the other tool recorded. */
  acceptEdited?: boolean;
}

export interface AdoptPlan {
  database: string;
  from: Tool;
  /** The other tool's table. It is read and never changed. */
  table: string;
  /** The newest versions in that table. */
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

interface Adoption {
  plan: AdoptPlan;
  files: MigrationFile[];
}

const BASELINE = "0000_baseline";

/** Plans what `adopt` would record. Reads only. */
export async function planAdoption(settings: Settings, options: AdoptOptions): Promise<AdoptPlan> {
  const purpose = { purpose: "migrate adopt" };
  return (
    await withSession(settings, purpose, (client) => prepareAdoption(client, settings, options))
  ).plan;
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
    const { plan, files } = await prepareAdoption(client, settings, options);
    if (plan.baseline && files.length === 0) {
      throw refused(`${plan.baseline.path} is missing; it has to hold the live schema`);
    }
    const note = { action: "adopt", from: plan.from, table: plan.table, at: plan.at };
    const rows = files.map((file) => buildRecordSql(client, file, "adopt", toolVersion, note));
    await client.query(["begin", ...buildSetRole(client, settings), ...rows, "commit"].join(";\n"));
    return plan;
  });
}

async function prepareAdoption(
  client: Client,
  settings: Settings,
  options: AdoptOptions,
): Promise<Adoption> {
  const { rows } = await readHistory(client);
  const recorded = [...rows.values()].filter(({ state }) => state !== "undone");
  if (recorded.length > 0) {
    throw refused(
      `"${client.database}" already has a history of pgstead, up to ${recorded.at(-1)?.version}; there is nothing to adopt`,
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
  if (hasPrograms(options.from)) return prepareBaseline(client, settings, base, history, all);
  const { files, unmatched, edited } = matchFiles(options.from, all, history);
  assertAdoptable(unmatched, edited, options);
  const record = files.map(({ version }) => version);
  const pending = all.filter((file) => !files.includes(file)).map(({ version }) => version);
  return { plan: { ...base, record, baseline: null, pending }, files };
}

/** The migrations are programs, so the schema that they made becomes the first file. */
async function prepareBaseline(
  client: Client,
  settings: Settings,
  base: Pick<AdoptPlan, "database" | "from" | "table" | "at">,
  history: ForeignHistory,
  all: MigrationFile[],
): Promise<Adoption> {
  const objects = await readSchema(client, [history.table]);
  const path = join(settings.migrations.folder, `${BASELINE}.sql`);
  const heading = `-- migrate:irreversible: this is the schema that ${base.from} made, at ${base.at.join(", ") || "no revision"}
-- It contains no rows. Put reference data that ${base.from} inserted into a separate file.`;
  const sql = toSql(objects, heading);
  const written = all.find(({ version }) => version === BASELINE);
  if (written && readFileSync(written.path, "utf8") !== sql) throw differs(written.path);
  const [first] = all;
  if (first && first !== written && first.version <= BASELINE) {
    throw refused(
      `the baseline "${BASELINE}" must be the first file, but "${first.version}" sorts before it; rename that file`,
    );
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

function assertAdoptable(
  unmatched: string[],
  edited: string[],
  { from, acceptEdited }: AdoptOptions,
): void {
  const lines: string[] = [];
  if (unmatched.length > 0) {
    lines.push(
      `${from} has applied versions that have no file here: ${unmatched.join(", ")}; add these files`,
    );
  }
  if (edited.length > 0 && !acceptEdited) {
    lines.push(
      `edited after ${from} applied them: ${edited.join(", ")}; restore their content, or accept them with --accept-edited`,
    );
  }
  if (lines.length > 0) throw refused(lines.join("\n"));
}
