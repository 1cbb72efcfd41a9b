import { mistake } from "../../operate/error.ts";
import type { OutOfOrder, UpResult } from "../../operate/migrate/run/apply-pending.ts";
import type { Call, Verb } from "../verb.ts";
import { moveOf, moveOptions } from "./migrate-options.ts";

export const migrateUp: Verb = {
  name: "migrate up",
  where: "agent",
  group: "migrate",
  summary: "apply pending migrations, one transaction a file",
  args: "[count]",
  options: [
    { flags: "--to <version>", description: "stop after this version" },
    {
      flags: "--out-of-order <mode>",
      description: "files older than the newest applied one: refuse, apply or skip them",
    },
    {
      flags: "--release-hold",
      description: "apply, although a restore has put migrations on hold",
    },
    ...moveOptions,
  ],
  examples: [
    "pgstead migrate up",
    "pgstead migrate up 1",
    "pgstead migrate up --to 0003_audit_log",
  ],
  writes: true,
  async run(context, call) {
    const { applyPending } = await import("../../operate/migrate/run/apply-pending.ts");
    const result = await applyPending(await context.settings(), {
      ...moveOf(context, call),
      ...outOfOrderOf(call),
      releaseHold: Boolean(call.options.releaseHold),
    });
    context.print(result, () => describe(result));
  },
};

function outOfOrderOf({ options: { outOfOrder } }: Call): { outOfOrder?: OutOfOrder } {
  if (outOfOrder === undefined) return {};
  if (["refuse", "apply", "skip"].includes(String(outOfOrder))) {
    return { outOfOrder: outOfOrder as OutOfOrder };
  }
  throw mistake(`--out-of-order takes refuse, apply or skip, not "${outOfOrder}"`);
}

function describe({ applied, database, pending, schemaVersion, skipped }: UpResult): string {
  const lines = applied.length
    ? [`applied ${applied.length} to "${database}", now at ${schemaVersion}`]
    : [`nothing to apply: "${database}" is at ${schemaVersion ?? "the beginning"}`];
  if (pending.length > 0) lines.push(`still pending: ${pending.join(", ")}`);
  if (skipped.length > 0) lines.push(`skipped, out of order: ${skipped.join(", ")}`);
  return lines.join("\n");
}
