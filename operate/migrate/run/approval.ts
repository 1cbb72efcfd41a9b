import { mistake, refused } from "../../error.ts";
import type { Settings } from "../../settings.ts";
import type { Approval } from "../history/history.ts";

export interface GivenApproval {
  by?: string | undefined;
  reason?: string | undefined;
  /** Go on although no fresh backup has been proven. */
  acceptLoss?: boolean;
}

/** A daily schedule, and what the dump and its proof take. */
export const FRESH_HOURS = 25;

/** What a protected stack asks for before anything that loses data: a person, a reason, a way back. */
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
      `stack "${stack}" is protected: ${action} can lose data and needs --approved-by NAME and --reason TEXT, which are recorded`,
    );
  }
  if (acceptLoss) return { action, by, reason, acceptedLoss: true };
  const { backup, lack } = await findFreshBackup(settings);
  if (backup) return { action, by, reason, backup };
  throw refused(
    `stack "${stack}" is protected: ${action} can lose data, and ${lack}; "pgstead backup now" makes one and "pgstead backup verify" proves it, or --accept-loss goes without, which is recorded`,
  );
}

async function findFreshBackup(settings: Settings): Promise<{ backup?: string; lack?: string }> {
  if (!settings.backups) return { lack: "it has no backups" };
  const { newestProven } = await import("../../backup/store/proven.ts");
  const proven = await newestProven(settings);
  if (!proven) return { lack: "no backup of it has been proven" };
  const hours = countHoursSince(proven.takenAt);
  if (hours <= FRESH_HOURS) return { backup: proven.id };
  return {
    lack: `its newest proven backup, ${proven.id}, is ${Math.round(hours)} h old (at most ${FRESH_HOURS})`,
  };
}

const countHoursSince = (time: string) => (Date.now() - Date.parse(time)) / 3_600_000;
