import { mistake } from "../error.ts";
import type { BackupSettings, Settings } from "../settings.ts";

export function backupSettings(settings: Settings): BackupSettings {
  if (settings.backups) return settings.backups;
  throw mistake(
    `stack "${settings.stack}" has no backups configured; "pgstead up --stack ${settings.stack}" writes them into its settings`,
  );
}

/** S5: dumps run as the superuser where the stack has one, whoever else the settings speak for. */
export function asSuperuser(settings: Settings): Settings {
  const { superuser, passwordFile: _, ...database } = settings.database;
  if (!superuser) return settings;
  return { ...settings, database: { ...database, user: superuser } };
}
