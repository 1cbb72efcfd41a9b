import { mistake } from "../../operate/error.ts";
import type { GivenApproval } from "../../operate/migrate/run/approval.ts";
import type { Resolution } from "../../operate/migrate/run/unit-run.ts";
import type { RunOptions } from "../../operate/migrate/session/runner.ts";
import type { Context } from "../context.ts";
import type { Call, VerbOption } from "../verb.ts";
import { version } from "../version.ts";

export const waitOptions: VerbOption[] = [
  {
    flags: "--wait <seconds>",
    description: "how long to wait for another operation",
    default: "600",
  },
  {
    flags: "--lock-wait <seconds>",
    description: "how long to retry for a lock that another session holds",
    default: "60",
  },
  { flags: "--preempt", description: "end a dump instead of waiting for it; the dump is lost" },
];

export const approvalOptions: VerbOption[] = [
  { flags: "--approved-by <name>", description: "who decided; needed on a protected stack" },
  { flags: "--reason <text>", description: "why; recorded in the history" },
  {
    flags: "--accept-loss",
    description: "on a protected stack, go on without a fresh proven backup; recorded",
  },
];

const resolutionOptions: VerbOption[] = [
  { flags: "--retry", description: "run the statement again whose end was not recorded" },
  { flags: "--skip", description: "record that statement as done" },
];

/** Shared by `up` and `down`. */
export const moveOptions: VerbOption[] = [...resolutionOptions, ...waitOptions];

export const moveOf = (context: Context, call: Call) => ({
  ...runOptions(context, call),
  ...extentOf(call),
  ...resolutionOf(call),
});

export function runOptions(context: Context, { options }: Call): RunOptions {
  return {
    toolVersion: version,
    waitMs: wholeNumber(String(options.wait), "--wait") * 1000,
    lockWaitMs: wholeNumber(String(options.lockWait), "--lock-wait") * 1000,
    preempt: Boolean(options.preempt),
    note: (line) => context.note(line),
  };
}

export function approvalOf({ options }: Call): { approval: GivenApproval } {
  const { approvedBy, reason } = options as Record<string, string | undefined>;
  return { approval: { by: approvedBy, reason, acceptLoss: Boolean(options.acceptLoss) } };
}

function resolutionOf({ options }: Call): { resolution?: Resolution } {
  if (options.retry && options.skip) throw mistake("give --retry or --skip, not both");
  if (options.retry) return { resolution: "retry" };
  return options.skip ? { resolution: "skip" } : {};
}

/** `up 2`, `down --to V`: how far. */
function extentOf({ args, options }: Call): { count?: number; to?: string } {
  const to = options.to as string | undefined;
  if (args[0] === undefined) return to === undefined ? {} : { to };
  if (to !== undefined) throw mistake(`give a count (${args[0]}) or --to ${to}, not both`);
  return { count: wholeNumber(args[0], "count") };
}

export function wholeNumber(text: string, name: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw mistake(`${name} must be a whole number, got "${text}"`);
}
