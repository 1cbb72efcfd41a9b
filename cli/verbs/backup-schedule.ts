import type { State } from "../../operate/agent/state.ts";
import { splitVerb } from "../verb.ts";

export const backupSchedule = splitVerb({
  name: "backup schedule",
  where: "split",
  group: "backup",
  summary: "when the next backups are taken, in UTC and local time, and how the last run ended",
  examples: ["pgstead backup schedule", "TZ=Europe/Berlin pgstead backup schedule --json"],
  async answer(context) {
    const { backupSettings } = await import("../../operate/backup/backup-settings.ts");
    const { parseSchedule } = await import("../../operate/agent/due.ts");
    const { readState } = await import("../../operate/agent/state.ts");
    const { folder, schedule, verify } = backupSettings(await context.settings());
    const next = parseSchedule(schedule).nextRuns(5);
    const { last, failures } = readState(folder);
    return { schedule, verify, next: next.map((at) => at.toISOString()), last, failures };
  },
  // The time zone is the person's.
  async run(context, _call, ask) {
    const result = await ask();
    const { schedule, verify, next, last, failures } = result;
    context.print(result, () =>
      [
        `"${schedule}" in UTC; restored and compared: ${verify}`,
        ...next.map((at) => `  ${at.replace(".000", "")}  ${localTime(at)}`),
        ...describeLastRun(last, failures),
      ].join("\n"),
    );
  },
});

const localTime = (at: string) =>
  new Date(at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long", hour12: false });

function describeLastRun(last: State["last"], failures: number): string[] {
  if (!last) return ["no run yet"];
  const outcome = `last run, due ${last.due}: ${last.outcome}${last.id ? ` (${last.id})` : ""}`;
  return [
    outcome,
    ...(last.error ? [`  ${last.error}`] : []),
    ...(failures > 0
      ? [`  failed ${failures} times in a row; it is tried again within the hour`]
      : []),
  ];
}
