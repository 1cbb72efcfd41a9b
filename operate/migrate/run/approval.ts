import { mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import type { Approval } from "../history/history-sql.ts";

export interface GivenApproval {
  by?: string | undefined;
  reason?: string | undefined;
  /** Go on without a fresh proven backup. */
  acceptLoss?: boolean;
}

/** One day between two runs of the schedule, and an hour for the dump and its proof. */
export const FRESH_HOURS = 25;

const DANGERS: Record<Approval["action"], string> = {
  down: "down can delete data",
  run: "run can delete data",
  stamp: "stamp changes what the next up and down run",
};

/** On a protected stack, an action that can lead to a loss of data needs a name, a reason and a proven backup. */
export async function requireApproval(
  settings: Settings,
  action: Approval["action"],
  { by, reason, acceptLoss }: GivenApproval,
): Promise<Approval | undefined> {
  const { stack, migrations } = settings;
  if (Boolean(by) !== Boolean(reason)) {
    throw mistake("--approved-by and --reason belong together; give both");
  }
  if (!migrations.protected) return by && reason ? { action, by, reason } : undefined;
  if (!by || !reason) {
    throw refused(
      `stack "${stack}" is protected: ${DANGERS[action]} and needs --approved-by NAME and --reason TEXT, which are recorded`,
    );
  }
  if (acceptLoss) return { action, by, reason, acceptedLoss: true };
  const { backup, lack } = await findFreshBackup(settings);
  if (backup) return { action, by, reason, backup };
  throw refused(
    `stack "${stack}" is protected: ${DANGERS[action]}, and ${lack}; run "pgstead backup now" and "pgstead backup verify", or go on without a backup with --accept-loss, which is recorded`,
  );
}

async function findFreshBackup(settings: Settings): Promise<{ backup?: string; lack?: string }> {
  if (!settings.backups) return { lack: "it has no backups" };
  const { findNewestProven } = await import("../../backup/store/newest-proven.ts");
  const proven = await findNewestProven(settings);
  if (!proven) return { lack: "no backup of it has been proven" };
  const hours = countHoursSince(proven.takenAt);
  if (hours <= FRESH_HOURS) return { backup: proven.id };
  return {
    lack: `its newest proven backup, ${proven.id}, is ${Math.round(hours)} h old (at most ${FRESH_HOURS})`,
  };
}

const countHoursSince = (time: string) => (Date.now() - Date.parse(time)) / 3_600_000;
