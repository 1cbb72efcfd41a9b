import { ExitCode, mistake } from "../../operate/error.ts";
import type { AdoptPlan } from "../../operate/migrate/adopt/adopt.ts";
import type { Tool } from "../../operate/migrate/adopt/foreign-history.ts";
import type { Verb } from "../verb.ts";
import { runOptions, waitOptions } from "./migrate-options.ts";

export const migrateAdopt: Verb = {
  name: "migrate adopt",
  group: "migrate",
  summary: "take over a database from another migration tool, without running anything again",
  options: [
    { flags: "--from <tool>", description: "alembic, golang-migrate, dbmate or custom" },
    { flags: "--table <name>", description: "the tool's table, where it is not the usual one" },
    { flags: "--version-column <name>", description: "custom: versions or file names" },
    { flags: "--checksum-column <name>", description: "custom: MD5, SHA-1 or SHA-256 in hex" },
    { flags: "--accept-edited", description: "take files as they are, whatever was recorded" },
    ...waitOptions,
  ],
  examples: [
    "pgstead migrate adopt --from alembic",
    "pgstead migrate adopt --from custom --table schema_migrations --version-column filename --checksum-column checksum --yes",
  ],
  writes: true,
  async run(context, call) {
    const { adopt, planAdoption } = await import("../../operate/migrate/adopt/adopt.ts");
    const { tools } = await import("../../operate/migrate/adopt/foreign-history.ts");
    const { from, table, versionColumn, checksumColumn } = call.options as Record<string, string>;
    if (!tools.includes(from as Tool)) {
      throw mistake(`--from takes ${tools.join(", ")}, not "${from ?? "nothing"}"`);
    }
    const settings = await context.settings();
    const options = {
      ...runOptions(context, call),
      ...{ from: from as Tool, table, versionColumn, checksumColumn },
      acceptEdited: Boolean(call.options.acceptEdited),
    };
    const plan = await planAdoption(settings, options);
    if (context.yes) {
      context.print(await adopt(settings, options), () => describe(plan, "recorded"));
      return ExitCode.fine;
    }
    context.print(plan, () => describe(plan, "would record"));
    context.note("nothing was changed yet; --yes does it");
    return ExitCode.pending;
  },
};

function describe({ from, table, at, record, baseline, pending }: AdoptPlan, verb: string): string {
  return [
    `${from} is at ${at.join(", ") || "the beginning"} (${table}, which stays as it is)`,
    ...(baseline ? [`the live schema becomes ${baseline.path}`] : []),
    ...(baseline?.left ?? []).map((name) => `  not in it, write it by hand: ${name}`),
    `${verb} as applied: ${record.length === 0 ? "nothing" : record.join(", ")}`,
    `then pending: ${pending.length === 0 ? "nothing" : pending.join(", ")}`,
  ].join("\n");
}
