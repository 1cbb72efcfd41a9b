import type { Compression } from "../../operate/backup/take/dump-to.ts";
import type { BackupResult } from "../../operate/backup/take/take-backup.ts";
import { ExitCode, mistake } from "../../operate/error.ts";
import { formatBytes } from "../../operate/human-units.ts";
import type { Context } from "../context.ts";
import { untilInterrupted } from "../interrupt.ts";
import type { Verb } from "../verb.ts";
import { version } from "../version.ts";
import { wholeNumber } from "./migrate-options.ts";

export const backupNow: Verb = {
  name: "backup now",
  group: "backup",
  summary:
    "dump the database, check the dump and upload it; exit 2 if it is not whole or not off-site",
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
    { flags: "--scheduled", description: "marks it as a run of the schedule, not of a person" },
    {
      flags: "--wait <seconds>",
      description: "wait so long for another operation",
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
  async run(context, { options }) {
    const out = options.out as string | undefined;
    if (options.volume) return saveVolumeHere(context, { ...options, out });
    const remote = out && out !== "-" ? await context.dockerStack() : undefined;
    if (remote) {
      // The file is wanted here, not in the container where pg_dump is.
      const { saveFromAgent } = await import("../stack/docker/save-from-agent.ts");
      const { compressionOf } = await import("../../operate/backup/take/dump-to.ts");
      const compress = ["--compress", String(options.compress ?? compressionOf(out as string))];
      const plain = options.plain ? ["--plain", ...compress] : [];
      const verb = ["backup", "now", ...plain, "--wait", String(options.wait)];
      const code = await saveFromAgent(remote, verb, out as string);
      if (code === ExitCode.fine) context.print({ out }, `written to ${out}`);
      return code;
    }
    const settings = await context.settings();
    const format = options.plain ? "plain" : "custom";
    const waitMs = wholeNumber(String(options.wait), "--wait") * 1000;
    const note = (line: string) => context.note(line);
    const shared = { format, waitMs, note } as const;
    return untilInterrupted(async (signal) => {
      if (out) {
        const { dumpTo } = await import("../../operate/backup/take/dump-to.ts");
        const compress = readCompression(options.compress);
        const warnings = await dumpTo(settings, { ...shared, out, signal, ...compress });
        for (const warning of warnings) note(warning);
        if (out !== "-") context.print({ out, warnings }, `written to ${out}`);
        return warnings.length > 0 ? ExitCode.pending : ExitCode.fine;
      }
      const backup = await import("../../operate/backup/take/take-backup.ts");
      const result = await backup.takeBackup(settings, {
        ...shared,
        trigger: options.scheduled ? "schedule" : "now",
        pgsteadVersion: version,
        signal,
      });
      context.print(result, () => describe(result));
      return result.uploadError || !result.manifest.complete ? ExitCode.pending : ExitCode.fine;
    });
  },
};

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
  const saved = await untilInterrupted((signal) =>
    saveVolume(stack, { volume, out, pause: pause === true, note, signal }),
  );
  context.print(saved, `${out}: ${formatBytes(saved.bytes)}, sha256 ${saved.sha256}`);
  return ExitCode.fine;
}

function readCompression(how: unknown): { compress?: Compression } {
  if (how === undefined) return {};
  if (how === "none" || how === "gzip" || how === "zstd") return { compress: how };
  throw mistake(`--compress takes none, gzip or zstd, not "${how}"`);
}

function describe({ manifest, uploaded, uploadError, pruned }: BackupResult): string {
  const tables = Object.keys(manifest.rows).length;
  const lines = [
    `${manifest.id}: ${formatBytes(manifest.dump.size)} of ${tables} tables in ${(manifest.durationMs / 1000).toFixed(1)} s`,
  ];
  if (!manifest.complete) {
    lines.push("NOT WHOLE, and so it does not count as a backup:");
    lines.push(...manifest.warnings.map((line) => `  ${line}`));
  }
  const earlier = uploaded.filter((id) => id !== manifest.id);
  if (uploaded.includes(manifest.id)) lines.push("uploaded to the bucket");
  if (earlier.length > 0) lines.push(`uploaded what was missing there: ${earlier.join(", ")}`);
  if (uploadError) lines.push(`NOT UPLOADED: ${uploadError}`);
  if (pruned.length > 0) lines.push(`removed here, by age: ${pruned.join(", ")}`);
  return lines.join("\n");
}
