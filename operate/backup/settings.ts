import { mistake } from "../error.ts";
import type { BackupSettings, Settings } from "../settings.ts";

export function backupSettings(settings: Settings): BackupSettings {
  if (settings.backups) return settings.backups;
  throw mistake(
    `stack "${settings.stack}" has no backups configured; "pgstead up --stack ${settings.stack}" writes them into its settings`,
  );
}
