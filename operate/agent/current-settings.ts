import { readFileSync } from "node:fs";
import { backupSettings } from "../backup/backup-settings.ts";
import { readSettings, type Settings } from "../settings.ts";

/**
 * The settings of the last `up`: it writes the file again while the agent runs. A file that cannot be read
 * leaves the settings before it in use, because `up` may still be writing.
 */
export class CurrentSettings {
  private readonly file: string;
  private readonly log: (line: string) => void;
  private settings: Settings;
  private text: string | undefined;

  constructor(settings: Settings, file: string, log: (line: string) => void) {
    this.file = file;
    this.log = log;
    this.settings = settings;
    this.text = this.readText();
  }

  /** The same object as before while the file is the same. */
  read(): Settings {
    const text = this.readText();
    if (text === undefined || text === this.text) return this.settings;
    this.text = text;
    try {
      const settings = readSettings(this.file);
      backupSettings(settings);
      this.settings = settings;
    } catch (error) {
      this.log(`the settings before stay in use: ${(error as Error).message}`);
    }
    return this.settings;
  }

  private readText(): string | undefined {
    try {
      return readFileSync(this.file, "utf8");
    } catch {
      return undefined;
    }
  }
}
