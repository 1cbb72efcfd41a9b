import { isAhead } from "../../operate/backup/format/clock.ts";
import type { ListedBackup, ListResult } from "../../operate/backup/store/list-backups.ts";
import { ExitCode } from "../../operate/error.ts";
import { formatAge, formatBytes } from "../../operate/human-units.ts";
import type { Verb } from "../verb.ts";

export const backupList: Verb = {
  name: "backup list",
  where: "agent",
  group: "backup",
  summary: "backups with age, size, copies and proof; exit 2 if there is no good one",
  examples: ["pgstead backup list", "pgstead backup list --json"],
  async run(context) {
    const { listBackups } = await import("../../operate/backup/store/list-backups.ts");
    const result = await listBackups(await context.settings());
    context.print(result, () => describe(result, new Date()));
    const usable = result.backups.some(({ good, problem }) => good && !problem);
    return usable && !result.bucketError ? ExitCode.fine : ExitCode.pending;
  },
};

export function describe(result: ListResult, now: Date): string {
  const width = Math.max(2, ...result.backups.map(({ id }) => id.length));
  const lines = result.backups.map((backup) => line(backup, width, now));
  if (lines.length === 0) lines.push(`no backups in ${result.folder}`);
  if (!result.bucket) lines.push("no bucket is configured: all copies are on one machine");
  if (result.bucketError) lines.push(`the bucket does not answer: ${result.bucketError}`);
  if (result.strays.length > 0) {
    lines.push(`no backups, because they have no manifest: ${result.strays.join(", ")}`);
  }
  return lines.join("\n");
}

function line(backup: ListedBackup, width: number, now: Date): string {
  const columns = [
    backup.id.padEnd(width),
    formatAge(backup.startedAt, now).padStart(8),
    formatBytes(backup.size).padStart(8),
    copiesOf(backup).padEnd("local + bucket".length),
    proofOf(backup, now).padEnd("proven 59 min ago".length),
    backup.schemaVersion ?? "-",
  ];
  if (isAhead(backup.startedAt, now)) columns.push("DATED IN THE FUTURE: does not count as fresh");
  // A new database has none; so has a database whose name is wrong.
  if (backup.tables === 0) columns.push("NO TABLES");
  if (!backup.good && backup.standing !== "broken") columns.push("INCOMPLETE");
  if (backup.bucketProof?.state === "failed" && backup.proof?.state !== "failed") {
    columns.push("THE BUCKET'S COPY FAILED TO RESTORE");
  }
  if (backup.standing === "broken") columns.push("MANIFEST CHANGED: its seal is broken");
  if (backup.standing === "foreign") columns.push("sealed with another stack's key");
  if (backup.problem) columns.push(`DAMAGED: ${backup.problem}`);
  return columns.join("  ");
}

const copiesOf = ({ copies, encrypted }: ListedBackup) =>
  copies.map((copy) => (copy === "bucket" && encrypted ? "bucket (encrypted)" : copy)).join(" + ");

export function proofOf({ proof }: Pick<ListedBackup, "proof">, now: Date): string {
  if (!proof) return "not proven";
  if (proof.state === "proven") return `proven ${formatAge(proof.verifiedAt, now)} ago`;
  const [problem = ""] = proof.problems;
  const outcome = proof.state === "failed" ? "FAILED TO RESTORE" : "could not verify";
  return `${outcome}: ${problem.split("\n")[0]}`;
}
