import { mistake } from "../error.ts";
import type { Settings } from "../settings.ts";

/** The folder of the stack's embedded server; only that engine has one. */
export function requireEmbeddedFolder(settings: Settings): string {
  if (settings.embedded) return settings.embedded.folder;
  throw mistake(
    `stack "${settings.stack}" runs on the engine "${settings.engine}", not "embedded"`,
  );
}
