import { pgstead } from "./pgstead.ts";
import type { Sections } from "./section.ts";

export function splitSections(path: string, text: string): Sections {
  return pgstead.split(path, text);
}
