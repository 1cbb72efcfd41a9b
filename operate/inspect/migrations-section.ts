import { listMigrations } from "../migrate/run/list-migrations.ts";
import type { Settings } from "../settings.ts";
import type { Section } from "./section.ts";

export async function readMigrationsSection(settings: Settings): Promise<Section> {
  const { schemaVersion, pending, amiss, migrations } = await listMigrations(settings);
  const waiting = migrations.filter(({ state }) => state !== "applied");
  return {
    title: "migrations",
    state: pending + amiss > 0 ? "attention" : "ok",
    lines: [
      `at ${schemaVersion ?? "the beginning"}, ${pending} pending`,
      ...waiting.map(({ version, state }) => `${version}: ${state}`),
    ],
    data: { schemaVersion, pending, amiss },
  };
}
