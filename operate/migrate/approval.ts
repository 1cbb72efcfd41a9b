import { mistake, refused } from "../error.ts";
import type { Settings } from "../settings.ts";
import type { Approval } from "./history.ts";

export interface GivenApproval {
  by?: string | undefined;
  reason?: string | undefined;
}

/** What a protected stack asks for before anything that loses data. */
export function approve(
  settings: Settings,
  action: Approval["action"],
  { by, reason }: GivenApproval,
): Approval | undefined {
  if (by && reason) return { action, by, reason };
  if (by || reason) throw mistake("--approved-by and --reason belong together; give both");
  if (!settings.migrations.protected) return undefined;
  throw refused(
    `stack "${settings.stack}" is protected: ${action} can lose data and needs --approved-by NAME and --reason TEXT, which are recorded`,
  );
}
