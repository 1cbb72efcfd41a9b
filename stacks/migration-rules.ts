import type { StackConfig } from "../config/stack-config.ts";
import type { SettingsInput } from "../operate/settings.ts";

type Rules = Omit<SettingsInput["migrations"], "folder">;

/** Rules for the migration files, the same on each engine. */
export function migrationRules({ migrations, protect }: StackConfig): Rules {
  const { files, outOfOrder } = migrations;
  return { files, outOfOrder, protected: protect };
}
