import type { PruneDecision } from "../../operate/backup/store/prune.ts";
import { formatAge, formatBytes } from "../../operate/human-units.ts";
import type { Verb } from "../verb.ts";

export const backupPrune: Verb = {
  name: "backup prune",
  where: "agent",
  group: "backup",
  summary:
    "remove the local copies that are too old, as each backup does; never touches the bucket",
  options: [
    { flags: "--dry-run", description: "only say what would happen to each copy, and why" },
  ],
  examples: ["pgstead backup prune --dry-run", "pgstead backup prune"],
  writes: true,
  async run(context, { options }) {
    const { planPruning, pruneLocalCopies } = await import("../../operate/backup/store/prune.ts");
    const { backupSettings } = await import("../../operate/backup/backup-settings.ts");
    const backups = backupSettings(await context.settings());
    const plan = planPruning(backups);
    const removed = options.dryRun ? [] : pruneLocalCopies(backups);
    context.print({ plan, removed }, () => describe(plan, Boolean(options.dryRun), new Date()));
  },
};

function describe(plan: PruneDecision[], dryRun: boolean, now: Date): string {
  if (plan.length === 0) return "there are no local copies";
  const goes = dryRun ? "would go" : "removed";
  const lines = plan.map(({ id, keep, reason, size, startedAt }) =>
    [
      id,
      formatAge(startedAt, now).padStart(6),
      formatBytes(size).padStart(8),
      keep ? "stays" : goes,
      reason,
    ].join("  "),
  );
  const freed = plan.filter(({ keep }) => !keep).reduce((sum, { size }) => sum + size, 0);
  return [...lines, `${formatBytes(freed)} ${dryRun ? "would be freed" : "freed"}`].join("\n");
}
