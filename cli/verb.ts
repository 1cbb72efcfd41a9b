import type { Writable } from "node:stream";
import type { ExitCode } from "../operate/error.ts";
import type { Context } from "./context.ts";

export type Group =
  | "stack"
  | "look"
  | "migrate"
  | "backup"
  | "restore"
  | "change with a way back"
  | "care"
  | "started by the stack itself";

export interface VerbOption {
  /** As commander writes it: `-n, --lines COUNT`. */
  flags: string;
  description: string;
  default?: string | boolean;
}

interface VerbBase {
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
  /** More that `--help` says, below the options. */
  help?: string;
  /** Prints the stack's name first, because it changes something. */
  writes?: boolean;
  /** What is not ours goes to another program untouched; this moves our own options to the front. */
  passThrough?: (args: string[]) => string[];
  /** Flags that are not ours are Pulumi's, and go to it with the arguments. */
  passUnknownFlags?: boolean;
}

/** Whatever is heavy to load is imported in it. Returns nothing for exit code 0. */
type Run = (context: Context, call: Call) => Promise<ExitCode | undefined | void>;

/** Runs where the command was typed, and never needs the agent. */
export interface HereVerb extends VerbBase {
  where: "here";
  run: Run;
}

/** Runs where the database is reached: in the stack's agent, or here for an embedded server. */
export interface AgentVerb extends VerbBase {
  where: "agent";
  run: Run;
}

/** Asks where the database is reached, and handles the person's files and output here. */
export interface SplitVerb<Answer = unknown> extends VerbBase {
  where: "split";
  /** Where the database is reached. The answer passes as JSON; bytes go to `out`. */
  answer(context: Context, call: Call, out: Writable): Promise<Answer>;
  /** Where the command was typed. */
  run(context: Context, call: Call, ask: Ask<Answer>): Promise<ExitCode | undefined | void>;
}

export type Ask<Answer> = (changes?: Question) => Promise<Answer>;

/** One command of `pgstead`. The table in `verbs.ts` is all there is; `main.ts` only wires it. */
export type Verb = HereVerb | AgentVerb | SplitVerb;

/** Lets the compiler find the type of the answer. */
export const splitVerb = <Answer>(verb: SplitVerb<Answer>): Verb => verb as SplitVerb;

export interface Call {
  args: string[];
  options: Record<string, string | boolean | undefined>;
}

/** What differs from the call that was typed, and where bytes go. */
export interface Question extends Partial<Call> {
  out?: Writable;
}
