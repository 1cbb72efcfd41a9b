import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";
import type { NewMigration } from "./new.ts";

export async function createFromSchema(
  _settings: Settings,
  _name: string,
  _from: string,
): Promise<NewMigration & { left: string[] }> {
  throw mistake("not yet");
}
