import type { FoundBackup } from "../../operate/backup/store/find-backup.ts";
import { formatAge, formatBytes } from "../../operate/human-units.ts";
import type { Verb } from "../verb.ts";

export const backupShow: Verb = {
  name: "backup show",
  where: "agent",
  group: "backup",
  summary: "what a backup holds: versions, tables and rows, checksums",
  args: "[id]",
  examples: ["pgstead backup show", "pgstead backup show app-20260507T020000Z --json"],
  async run(context, { args }) {
    const { findBackup } = await import("../../operate/backup/store/find-backup.ts");
    const found = await findBackup(await context.settings(), args[0] ?? "latest");
    context.print(found, () => describe(found));
  },
};

function describe({ manifest, where }: FoundBackup): string {
  const rows = Object.entries(manifest.rows);
  return [
    manifest.id,
    `  taken      ${manifest.startedAt} (${formatAge(manifest.startedAt, new Date())} ago), in ${(manifest.durationMs / 1000).toFixed(1)} s`,
    `  database   ${manifest.database}, ${formatBytes(manifest.databaseBytes)}, PostgreSQL ${manifest.serverVersion}, pgvector ${manifest.pgvectorVersion ?? "none"}`,
    `  schema     ${manifest.schemaVersion ?? "no migration applied"}`,
    `  dump       ${manifest.dump.file}, ${formatBytes(manifest.dump.size)}, ${manifest.format}, read from: ${where}`,
    `  sha256     ${manifest.dump.sha256}`,
    `  complete   ${manifest.complete ? "yes" : `no: ${manifest.warnings.join("; ")}`}`,
    `  tables     ${rows.length}`,
    ...rows.map(([table, count]) => `    ${table}: ${count} rows`),
  ].join("\n");
}
