import type { BucketUpdate } from "../../operate/backup/store/update-bucket.ts";
import { ExitCode } from "../../operate/error.ts";
import { stopSignal } from "../../operate/stop.ts";
import type { Verb } from "../verb.ts";

export const backupUpload: Verb = {
  name: "backup upload",
  where: "agent",
  group: "backup",
  summary: "upload the good local backups that the bucket lacks",
  examples: ["pgstead backup upload"],
  writes: true,
  async run(context) {
    const { updateBucket } = await import("../../operate/backup/store/update-bucket.ts");
    const { backupSettings } = await import("../../operate/backup/backup-settings.ts");
    const backups = backupSettings(await context.settings());
    const note = (line: string) => context.note(line);
    const result = await updateBucket(backups, { note, signal: stopSignal });
    context.print(result, () => describe(result, Boolean(backups.bucket)));
    return result.error ? ExitCode.unreachable : ExitCode.fine;
  },
};

function describe({ uploaded, error }: BucketUpdate, hasBucket: boolean): string {
  if (!hasBucket) return "no bucket is configured";
  const lines = uploaded.length > 0 ? [`uploaded ${uploaded.join(", ")}`] : [];
  if (error) lines.push(`NOT UPLOADED: ${error}`);
  return lines.length > 0 ? lines.join("\n") : "the bucket has all of them";
}
