import { ExitCode, mistake } from "../../operate/error.ts";
import type { AdoptPlan } from "../../operate/migrate/adopt/adopt.ts";
import type { Tool } from "../../operate/migrate/adopt/foreign-history.ts";
import { splitVerb } from "../verb.ts";
import { runOptions, waitOptions } from "./migrate-options.ts";

export const migrateAdopt = splitVerb({
  name: "migrate adopt",
  where: "split",
  group: "migrate",
  summary: "take over a database from another migration tool, without running anything again",
  options: [
    {
      flags: "--from <tool>",
      description: "alembic, dbmate, django, flyway, golang-migrate and others, or custom",
    },
    { flags: "--table <name>", description: "the tool's table, if it is not the usual one" },
    { flags: "--version-column <name>", description: "custom: versions or file names" },
    { flags: "--checksum-column <name>", description: "custom: MD5, SHA-1 or SHA-256 in hex" },
    { flags: "--accept-edited", description: "accept files that differ from what was recorded" },
    ...waitOptions,
  ],
  examples: [
    "pgstead migrate adopt --from alembic",
    "pgstead migrate adopt --from custom --table schema_migrations --version-column filename --checksum-column checksum --yes",
  ],
  writes: true,
  async answer(context, call): Promise<AdoptPlan> {
    const { adopt, planAdoption } = await import("../../operate/migrate/adopt/adopt.ts");
    const { from, table, versionColumn, checksumColumn } = call.options as Record<string, string>;
    const options = {
      ...runOptions(context, call),
      ...{ from: from as Tool, table, versionColumn, checksumColumn },
      acceptEdited: Boolean(call.options.acceptEdited),
    };
    const act = call.options.record ? adopt : planAdoption;
    return act(await context.settings(), options);
  },
  async run(context, { options }, ask) {
    const { tools } = await import("../../operate/migrate/adopt/foreign-history.ts");
    if (!tools.includes(options.from as Tool)) {
      throw mistake(`--from takes ${tools.join(", ")}, not "${options.from ?? "nothing"}"`);
    }
    const plan = await ask();
    if (!context.yes) {
      context.print(withoutSql(plan), () => describe(plan, "would record"));
      context.note("nothing was changed yet; --yes does it");
      return ExitCode.pending;
    }
    const { writeBaseline } = await import("../../operate/migrate/adopt/adopt.ts");
    const { folder } = (await context.checkoutSettings()).migrations;
    // The file comes first: a history that names a file which is not there refuses the next `up`.
    const written = plan.baseline && writeBaseline(folder, plan.baseline);
    if (written) context.note(`wrote ${written}`);
    const recorded = await ask({ options: { ...options, record: true } });
    context.print(withoutSql(recorded), () => describe(recorded, "recorded"));
    return ExitCode.fine;
  },
});

/** Its text is in the file. */
const withoutSql = ({ baseline, ...plan }: AdoptPlan) => ({
  ...plan,
  baseline: baseline && { path: baseline.path, left: baseline.left },
});

function describe({ from, table, at, record, baseline, pending }: AdoptPlan, verb: string): string {
  return [
    `${from} is at ${at.join(", ") || "the beginning"} (${table}, which stays as it is)`,
    ...(baseline ? [`the live schema becomes ${baseline.path}`] : []),
    ...(baseline?.left ?? []).map((name) => `  not in it, write it by hand: ${name}`),
    `${verb} as applied: ${record.length === 0 ? "nothing" : record.join(", ")}`,
    `then pending: ${pending.length === 0 ? "nothing" : pending.join(", ")}`,
  ].join("\n");
}
