import { mistake } from "../error.ts";
import type { BackupSettings, Settings } from "../settings.ts";

export function backupSettings(settings: Settings): BackupSettings {
  if (settings.backups) return settings.backups;
  throw mistake(
    `the settings of stack "${settings.stack}" have no backups; "pgstead up --stack ${settings.stack}" writes them`,
  );
}

/** S5: dumps run as the superuser if the stack has one, not as the user of the settings. */
export function asSuperuser(settings: Settings): Settings {
  const { superuser, passwordFile: _, ...database } = settings.database;
  if (!superuser) return settings;
  return { ...settings, database: { ...database, user: superuser } };
}
