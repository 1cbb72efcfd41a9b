import type { Settings } from "../settings.ts";
import { readBackupsSection } from "./backups-section.ts";
import { readDatabaseSection } from "./database-section.ts";
import { readMigrationsSection } from "./migrations-section.ts";
import type { Section } from "./section.ts";
import { readServerSection } from "./server-section.ts";

/** One file a section; a later capability adds its own. */
const sections: ((settings: Settings) => Promise<Section>)[] = [
  readServerSection,
  readDatabaseSection,
  readMigrationsSection,
  readBackupsSection,
];

export async function readStatus(
  settings: Settings,
): Promise<{ stack: string; engine: string; sections: Section[] }> {
  const read: Section[] = [];
  for (const section of sections) read.push(await orDown(section, settings));
  return { stack: settings.stack, engine: settings.engine, sections: read };
}

async function orDown(
  section: (settings: Settings) => Promise<Section>,
  settings: Settings,
): Promise<Section> {
  try {
    return await section(settings);
  } catch (error) {
    const title = section.name.replace(/Section$/, "");
    return { title, state: "down", lines: [(error as Error).message], data: {} };
  }
}
