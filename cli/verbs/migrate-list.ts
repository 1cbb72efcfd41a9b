import { ExitCode } from "../../operate/error.ts";
import type { ListResult } from "../../operate/migrate/run/list-migrations.ts";
import type { AgentVerb } from "../verb.ts";

export const migrateList: AgentVerb = {
  name: "migrate list",
  where: "agent",
  aliases: ["history"],
  group: "migrate",
  summary: "applied and pending migrations; exit 2 if something is pending",
  options: [
    { flags: "--pending", description: "only what `up` would apply" },
    {
      flags: "--allow-unreachable",
      description: "treat a database that cannot be reached as empty",
    },
  ],
  examples: ["pgstead migrate list", "pgstead migrate list --pending --json"],
  async run(context, { options }) {
    const { listMigrations } = await import("../../operate/migrate/run/list-migrations.ts");
    const result = await listMigrations(await context.settings(), {
      allowUnreachable: Boolean(options.allowUnreachable),
    });
    if (options.pending) {
      result.migrations = result.migrations.filter(({ state }) => state !== "applied");
    }
    context.print(result, () => describe(result));
    return result.pending + result.amiss > 0 ? ExitCode.pending : ExitCode.fine;
  },
};

export const migratePending: AgentVerb = {
  name: "migrate pending",
  where: "agent",
  group: "migrate",
  summary: "what `up` would apply; exit 2 if something is pending",
  examples: ["pgstead migrate pending"],
  run: (context, call) =>
    migrateList.run(context, { ...call, options: { ...call.options, pending: true } }),
};

export const migrateCurrent: AgentVerb = {
  name: "migrate current",
  where: "agent",
  group: "migrate",
  summary: "the newest applied version",
  examples: ["pgstead migrate current"],
  async run(context) {
    const { listMigrations } = await import("../../operate/migrate/run/list-migrations.ts");
    const { database, schemaVersion } = await listMigrations(await context.settings());
    context.print({ database, schemaVersion }, schemaVersion ?? "base");
  },
};

function describe({ migrations }: ListResult): string {
  const width = Math.max(7, ...migrations.map(({ version }) => version.length));
  return migrations
    .map(({ version, state, appliedAt, durationMs, appliedBy, origin }) => {
      if (!appliedAt) return `${version.padEnd(width)}  ${state}`;
      const how = origin === "file" ? `${Math.round(durationMs ?? 0)} ms` : origin;
      return `${version.padEnd(width)}  ${state.padEnd(7)}  ${appliedAt}  ${how}  ${appliedBy}`;
    })
    .join("\n");
}
