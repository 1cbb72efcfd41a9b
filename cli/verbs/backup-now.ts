import type { Compression } from "../../operate/backup/take/dump-to.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { ExitCode, mistake } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import { stopSignal } from "../../operate/stop.ts";
import type { Context } from "../context.ts";
import { saveFile } from "../save-file.ts";
import { type Ask, type Call, splitVerb } from "../verb.ts";
import { version } from "../version.ts";
import { wholeNumber } from "./migrate-options.ts";

export const backupNow = splitVerb({
  name: "backup now",
  where: "split",
  group: "backup",
  summary:
    "dump the database, check the dump and upload it; exit 2 if it is incomplete or not uploaded",
  options: [
    { flags: "--plain", description: "SQL text (gzip) instead of pg_dump's custom format" },
    {
      flags: "--out <file>",
      description: "only into this file, - for stdout: no manifest, no upload, no retention",
    },
    {
      flags: "--compress <how>",
      description: "a --plain --out: none, gzip or zstd; by default as the file's name ends",
    },
    {
      flags: "--volume <name>",
      description: "another volume of the engine instead, as a tar file; needs --out",
    },
    { flags: "--pause", description: "freeze the containers that use the --volume meanwhile" },
    { flags: "--scheduled", description: "recorded as a run of the schedule, not of a person" },
    {
      flags: "--wait <seconds>",
      description: "how long to wait for another operation",
      default: "600",
    },
  ],
  examples: [
    "pgstead backup now",
    "pgstead backup now --plain --out before.sql.gz",
    "pgstead backup now --volume minio_data --pause --out minio.tar.zst",
    "pgstead backup now --out - | ssh elsewhere 'cat > app.dump'",
  ],
  writes: true,
  async answer(context, call, target): Promise<Answer> {
    const { options } = call;
    const settings = await context.settings();
    const shared = {
      format: options.plain ? "plain" : "custom",
      waitMs: wholeNumber(String(options.wait), "--wait") * 1000,
      note: (line: string) => context.note(line),
      signal: stopSignal,
    } as const;
    if (options.out !== undefined) {
      const { dumpTo } = await import("../../operate/backup/take/dump-to.ts");
      const compress = options.compress as Compression;
      return { warnings: await dumpTo(settings, target, { ...shared, compress }) };
    }
    const backup = await import("../../operate/backup/take/take-backup.ts");
    const trigger = options.scheduled ? "schedule" : "now";
    return {
      backup: await backup.takeBackup(settings, { ...shared, trigger, pgsteadVersion: version }),
    };
  },
  async run(context, { options }, ask) {
    const out = options.out as string | undefined;
    if (options.volume) return saveVolumeHere(context, { ...options, out });
    if (out !== undefined) return dumpInto(context, out, options, ask);
    const { backup } = (await ask()) as Backup;
    context.print(backup, () => describe(backup));
    return backup.uploadError || !backup.manifest.complete ? ExitCode.pending : ExitCode.fine;
  },
});

type Backup = { backup: BackupResult };
type Dump = { warnings: string[] };
type Answer = Backup | Dump;

async function dumpInto(context: Context, out: string, options: Call["options"], ask: Ask<Answer>) {
  const compress = await readCompression(options.compress, out);
  const { warnings } = (await saveFile(out, (target) =>
    ask({ options: { ...options, compress }, out: target }),
  )) as Dump;
  for (const warning of warnings) context.note(warning);
  if (out !== "-") context.print({ out, warnings }, `written to ${out}`);
  return warnings.length > 0 ? ExitCode.pending : ExitCode.fine;
}

async function saveVolumeHere(context: Context, options: Record<string, unknown>) {
  const { out, volume, pause } = options as { out?: string; volume: string; pause?: boolean };
  if (!out || out === "-") throw mistake("--volume needs --out FILE, such as --out files.tar.zst");
  const stack = await context.dockerStack();
  if (!stack) {
    throw mistake(
      "--volume is read over the connection to the Docker engine: run it where the project is, for a stack with the engine docker",
    );
  }
  const { saveVolume } = await import("../stack/docker/save-volume.ts");
  const note = (line: string) => context.note(line);
  const saved = await saveVolume(stack, {
    ...{ volume, out, pause: pause === true },
    ...{ note, signal: stopSignal },
  });
  context.print(saved, `${out}: ${formatBytes(saved.bytes)}, sha256 ${saved.sha256}`);
  return ExitCode.fine;
}

async function readCompression(how: unknown, out: string): Promise<Compression> {
  if (how === "none" || how === "gzip" || how === "zstd") return how;
  if (how !== undefined) throw mistake(`--compress takes none, gzip or zstd, not "${how}"`);
  const { compressionOf } = await import("../../operate/backup/take/dump-to.ts");
  return compressionOf(out);
}

function describe({ manifest, uploaded, uploadError, pruned }: BackupResult): string {
  const tables = Object.keys(manifest.rows).length;
  const lines = [
    `${manifest.id}: ${formatBytes(manifest.dump.size)} of ${tables} tables in ${(manifest.durationMs / 1000).toFixed(1)} s`,
  ];
  if (!manifest.complete) {
    lines.push("INCOMPLETE, so it does not count as a backup:");
    lines.push(...manifest.warnings.map((line) => `  ${line}`));
  }
  const earlier = uploaded.filter((id) => id !== manifest.id);
  if (uploaded.includes(manifest.id)) lines.push("uploaded to the bucket");
  if (earlier.length > 0) lines.push(`uploaded what the bucket lacked: ${earlier.join(", ")}`);
  if (uploadError) lines.push(`NOT UPLOADED: ${uploadError}`);
  if (pruned.length > 0) lines.push(`removed here, by age: ${pruned.join(", ")}`);
  return lines.join("\n");
}
