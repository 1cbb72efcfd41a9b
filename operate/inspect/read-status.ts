import type { Settings } from "../settings.ts";
import { readBackupsSection } from "./backups-section.ts";
import { readDatabaseSection } from "./database-section.ts";
import { readMigrationsSection } from "./migrations-section.ts";
import type { Section } from "./section.ts";
import { readServerSection } from "./server-section.ts";

/** One file per section. A new feature adds its own. */
const SECTIONS: { title: string; read: (settings: Settings) => Promise<Section> }[] = [
  { title: "server", read: readServerSection },
  { title: "database", read: readDatabaseSection },
  { title: "migrations", read: readMigrationsSection },
  { title: "backups", read: readBackupsSection },
];

export async function readStatus(
  settings: Settings,
): Promise<{ stack: string; engine: string; sections: Section[] }> {
  const sections: Section[] = [];
  for (const section of SECTIONS) sections.push(await readSection(section, settings));
  return { stack: settings.stack, engine: settings.engine, sections };
}

/** A section that cannot be read is shown as down, with the reason. */
async function readSection(
  { title, read }: (typeof SECTIONS)[number],
  settings: Settings,
): Promise<Section> {
  try {
    return await read(settings);
  } catch (error) {
    return { title, state: "down", lines: [(error as Error).message], data: {} };
  }
}
