import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client } from "pg";
import { withSession } from "../../connect/session.ts";
import { refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import { computeChecksums } from "../files/checksum.ts";
import { findFiles, type MigrationFile } from "../files/find-files.ts";
import { buildRecordSql, readHistory } from "../history/history.ts";
import { readSchema, toSql } from "../schema/snapshot.ts";
import { buildSetRole, type RunOptions, withRunner } from "../session/runner.ts";
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
  /** Written first, from the live schema, where the other tool has no SQL files. */
  baseline: { path: string; left: string[] } | null;
  pending: string[];
}

interface Adoption {
  plan: AdoptPlan;
  files: MigrationFile[];
  baseline?: { path: string; sql: string };
}

const BASELINE = "0000_baseline";

/** What `adopt` will record. Reads only. */
export async function planAdoption(settings: Settings, options: AdoptOptions): Promise<AdoptPlan> {
  const purpose = { purpose: "migrate adopt" };
  return (
    await withSession(settings, purpose, (client) => prepareAdoption(client, settings, options))
  ).plan;
}

/** Takes over from another tool without running anything. */
export async function adopt(settings: Settings, options: AdoptOptions): Promise<AdoptPlan> {
  return withRunner(settings, "migrate adopt", options, async ({ client, toolVersion }) => {
    const { plan, files, baseline } = await prepareAdoption(client, settings, options);
    const recorded = [...files];
    if (baseline) {
      mkdirSync(settings.migrations.folder, { recursive: true });
      writeFileSync(baseline.path, baseline.sql, { flag: "wx" });
      const sums = computeChecksums(Buffer.from(baseline.sql));
      const { path } = baseline;
      recorded.push({ version: BASELINE, repeatable: false, path, size: 0, ...sums });
    }
    const note = { action: "adopt", from: plan.from, table: plan.table, at: plan.at };
    const rows = recorded.map((file) => buildRecordSql(client, file, "adopt", toolVersion, note));
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
  if (options.from === "alembic") return prepareBaseline(client, settings, base, history, all);
  const { files, unmatched, edited } = matchFiles(options.from, all, history);
  assertAdoptable(unmatched, edited, options);
  const record = files.map(({ version }) => version);
  const pending = all.filter((file) => !files.includes(file)).map(({ version }) => version);
  return { plan: { ...base, record, baseline: null, pending }, files };
}

/** Its revisions are programs; from here on the schema they made is the first file. */
async function prepareBaseline(
  client: Client,
  settings: Settings,
  base: Pick<AdoptPlan, "database" | "from" | "table" | "at">,
  history: ForeignHistory,
  all: MigrationFile[],
): Promise<Adoption> {
  const [first] = all;
  if (first && first.version <= BASELINE) {
    throw refused(`"${first.version}" stands where the baseline "${BASELINE}" has to: first`);
  }
  const objects = await readSchema(client, [history.table]);
  const path = join(settings.migrations.folder, `${BASELINE}.sql`);
  const heading = `-- migrate:irreversible: this is the schema as ${base.from} had made it, at ${base.at.join(", ") || "no revision"}
-- Rows are not in it: reference data that ${base.from} inserted belongs into a file of its own.`;
  const left = objects.filter(({ sql }) => sql === null).map(({ name }) => name);
  return {
    plan: {
      ...base,
      record: [BASELINE],
      baseline: { path, left },
      pending: all.map(({ version }) => version),
    },
    files: [],
    baseline: { path, sql: toSql(objects, heading) },
  };
}

function assertAdoptable(
  unmatched: string[],
  edited: string[],
  { from, acceptEdited }: AdoptOptions,
): void {
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
