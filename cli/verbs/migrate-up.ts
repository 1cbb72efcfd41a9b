import { mistake } from "../../operate/error.ts";
import type { UpOptions, UpResult } from "../../operate/migrate/up.ts";
import type { Call, Verb } from "../verb.ts";
import { version } from "../version.ts";

export const migrateUp: Verb = {
  name: "migrate up",
  group: "migrate",
  summary: "apply pending migrations, one transaction a file",
  args: "[count]",
  options: [
    { flags: "--to <version>", description: "stop after this version" },
    {
      flags: "--out-of-order <mode>",
      description: "files older than the newest applied one: refuse, apply or skip",
      default: "refuse",
    },
    {
      flags: "--wait <seconds>",
      description: "wait so long for another operation",
      default: "600",
    },
  ],
  examples: [
    "pgstead migrate up",
    "pgstead migrate up 1",
    "pgstead migrate up --to 0003_audit_log",
  ],
  writes: true,
  async run(context, call) {
    const { up } = await import("../../operate/migrate/up.ts");
    const options = readOptions(call);
    const result = await up(await context.settings(), {
      ...options,
      toolVersion: version,
      note: (line) => context.note(line),
    });
    context.print(result, () => describe(result));
  },
};

function readOptions({ args, options }: Call): Omit<UpOptions, "toolVersion"> {
  const mode = options.outOfOrder as UpOptions["outOfOrder"];
  if (!["refuse", "apply", "skip"].includes(mode ?? "")) {
    throw mistake(`--out-of-order takes refuse, apply or skip, not "${mode}"`);
  }
  const to = options.to as string | undefined;
  const count = args[0] === undefined ? undefined : wholeNumber(args[0], "count");
  if (to !== undefined && count !== undefined) {
    throw mistake(`give a count (${count}) or --to ${to}, not both`);
  }
  return {
    waitMs: wholeNumber(String(options.wait), "--wait") * 1000,
    ...(mode && { outOfOrder: mode }),
    ...(to !== undefined && { to }),
    ...(count !== undefined && { count }),
  };
}

export function wholeNumber(text: string, name: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw mistake(`${name} must be a whole number, got "${text}"`);
}

function describe({ applied, database, pending, schemaVersion, skipped }: UpResult): string {
  const lines = applied.length
    ? [`applied ${applied.length} to "${database}", now at ${schemaVersion}`]
    : [`nothing to apply: "${database}" is at ${schemaVersion ?? "the beginning"}`];
  if (pending.length > 0) lines.push(`still pending: ${pending.join(", ")}`);
  if (skipped.length > 0) lines.push(`skipped, out of order: ${skipped.join(", ")}`);
  return lines.join("\n");
}
