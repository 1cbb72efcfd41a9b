import { Cron } from "croner";
import * as z from "zod";
import { backupFields } from "../agent-fields.ts";
import { url } from "../fields.ts";

const { schedule, ...others } = backupFields;

export const backups = z
  .strictObject({
    // The agent does not check this: a schedule that has had its last run must not stop a restore.
    schedule: schedule.refine(isSchedule, {
      error: "a cron expression: minute hour day month weekday",
    }),
    ...others,
    webhook: url
      .optional()
      .describe(
        "URL that gets one JSON POST when backups fail, and one when they work again; may be a secret.",
      ),
    ping: url
      .optional()
      .describe("URL of a dead man's switch, called after each proven backup; may be a secret."),
  })
  .prefault({})
  .describe("When dumps are taken, and how long they stay on the host.");

function isSchedule(text: string): boolean {
  try {
    return new Cron(text, { timezone: "UTC", paused: true }).nextRun() !== null;
  } catch {
    return false;
  }
}
