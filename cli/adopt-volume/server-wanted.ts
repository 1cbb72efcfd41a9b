import { describeMistakes } from "../../config/mistakes.ts";
import { findMistakes } from "../../config/parse.ts";
import { readStackFacts } from "../../config/stack-facts.ts";
import { mistake } from "../../operate/error.ts";
import { readStackFile } from "../stack/stack-file.ts";

export interface ServerWanted {
  major: string;
  base: string;
}

/** The server that the stack's file declares. */
export function readServerWanted(root: string, stack: string): ServerWanted {
  const { config } = readStackFile(root, stack);
  const mistakes = findMistakes(config);
  // `up` would refuse them too, but only after the cluster was copied.
  if (mistakes.length > 0) throw mistake(describeMistakes(stack, mistakes));
  const { version, base } = readStackFacts(config);
  return { major: version.split(".")[0] as string, base };
}
