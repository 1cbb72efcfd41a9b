import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";

/** The folder of the stack's embedded server. Other engines have none and get an error. */
export function requireEmbeddedFolder(settings: Settings): string {
  if (settings.embedded) return settings.embedded.folder;
  throw mistake(
    `stack "${settings.stack}" runs on the engine "${settings.engine}", not "embedded"`,
  );
}
