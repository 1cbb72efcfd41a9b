import type { State } from "../../operate/agent/state.ts";
import type { Verb } from "../verb.ts";

export const backupSchedule: Verb = {
  name: "backup schedule",
  group: "backup",
  summary: "when the next backups are taken, in UTC and here, and what came of the last one",
  examples: ["pgstead backup schedule", "TZ=Europe/Berlin pgstead backup schedule --json"],
  async run(context) {
    const { backupSettings } = await import("../../operate/backup/backup-settings.ts");
    const { parseSchedule } = await import("../../operate/agent/due.ts");
    const { readState } = await import("../../operate/agent/state.ts");
    const { folder, schedule, verify } = backupSettings(await context.settings());
    const next = parseSchedule(schedule).nextRuns(5);
    const { last, failures } = readState(folder);
    const result = { schedule, verify, next: next.map((at) => at.toISOString()), last, failures };
    context.print(result, () =>
      [
        `"${schedule}" in UTC; restored and compared: ${verify}`,
        ...next.map((at) => `  ${at.toISOString().replace(".000", "")}  ${local(at)}`),
        ...lastRun(last, failures),
      ].join("\n"),
    );
  },
};

const local = (at: Date) =>
  at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long", hour12: false });

function lastRun(last: State["last"], failures: number): string[] {
  if (!last) return ["no run yet"];
  const told = `last run, due ${last.due}: ${last.outcome}${last.id ? ` (${last.id})` : ""}`;
  return [
    told,
    ...(last.error ? [`  ${last.error}`] : []),
    ...(failures > 0
      ? [`  failed ${failures} times in a row; it is tried again within the hour`]
      : []),
  ];
}
