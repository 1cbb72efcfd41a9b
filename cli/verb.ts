import type { ExitCode } from "../operate/error.ts";
import type { Context } from "./context.ts";

export type Group =
  | "stack"
  | "look"
  | "migrate"
  | "backup"
  | "restore"
  | "change with a way back"
  | "care";

export interface VerbOption {
  /** As commander writes it: `-n, --lines COUNT`. */
  flags: string;
  description: string;
  default?: string | boolean;
}

/** One command of `pgstead`. The table in `verbs.ts` is all there is; `main.ts` only wires it. */
export interface Verb {
  /** One word, or a group's word and its own: `status`, `migrate up`. */
  name: string;
  aliases?: string[];
  group: Group;
  summary: string;
  /** Positional arguments as commander writes them: `[name]`, `<file>`, `[args...]`. */
  args?: string;
  options?: VerbOption[];
  /** Command lines people can copy, shown by `--help`. */
  examples: string[];
  /** Prints the stack's name first, because it changes something. */
  writes?: boolean;
  /** Everything after the verb goes to another program untouched. */
  passThrough?: boolean;
  /** Flags that are not ours are Pulumi's, and go to it with the arguments. */
  passUnknownFlags?: boolean;
  /** Returns nothing for 0. Whatever is heavy to load is imported in here. */
  run(context: Context, call: Call): Promise<ExitCode | undefined | void>;
}

export interface Call {
  args: string[];
  options: Record<string, string | boolean | undefined>;
}
