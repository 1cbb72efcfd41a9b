import type { Writable } from "node:stream";
import { gzipSync } from "node:zlib";
import { withClient } from "../../connect/database.ts";
import { withOperationLock } from "../../connect/operation-lock.ts";
import { runTool } from "../../connect/postgres-tool.ts";
import { mistake } from "../../error.ts";
import { formatBytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { Settings } from "../../settings.ts";
import { asSuperuser } from "../backup-settings.ts";
import type { Manifest } from "../format/manifest.ts";
import { assertDumpVersion, buildFormatArgs } from "./dump.ts";
import { dumpEmbeddedText } from "./dump-embedded.ts";

export interface DumpToOptions {
  format: Manifest["format"];
  /** Of a plain dump; the custom format is compressed by itself. */
  compress: Compression;
  waitMs: number;
  note?: Note;
  signal?: AbortSignal;
}

/** Writes only a dump: no manifest, no upload, no retention. Returns the warnings of pg_dump. */
export async function dumpTo(
  given: Settings,
  target: Writable,
  options: DumpToOptions,
): Promise<string[]> {
  const settings = asSuperuser(given);
  const { waitMs, note, signal } = options;
  const lock = {
    ...{ purpose: "backup", login: given.database.user, waitMs },
    ...(note && { note }),
    ...(signal && { signal }),
  };
  return withOperationLock(settings, lock, ({ lost }) => {
    const watched = { ...options, signal: signal ? AbortSignal.any([signal, lost]) : lost };
    return writeDump(settings, watched, target);
  });
}

async function writeDump(
  settings: Settings,
  options: DumpToOptions,
  target: Writable,
): Promise<string[]> {
  const { format, note, signal } = options;
  if (settings.engine === "embedded") return writeEmbedded(settings, options, target);
  const version = await withClient(settings, { purpose: "backup" }, async (client) => {
    const { rows } = await client.query("select current_setting('server_version') as version");
    return rows[0].version as string;
  });
  await assertDumpVersion(settings, version);
  let written = 0;
  const args = [...buildFormatArgs(format, version), ...buildCompressArgs(options)];
  const { remarks } = await withProgress(
    note,
    () => `dumping: ${formatBytes(written)}`,
    () =>
      runTool(settings, "pg_dump", args, {
        stdout: target,
        onBytes: (count) => {
          written += count;
        },
        ...(signal && { signal }),
      }),
  );
  return remarks;
}

async function writeEmbedded(settings: Settings, options: DumpToOptions, target: Writable) {
  const { compress, note, signal } = options;
  const { text } = await dumpEmbeddedText(settings, note, signal);
  if (compress === "zstd")
    throw mistake(
      "dumps of the embedded server can be compressed with gzip only; use --compress gzip",
    );
  const bytes = compress === "gzip" ? gzipSync(text) : text;
  await new Promise<void>((resolve, reject) => {
    target.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
  return [];
}

export type Compression = "none" | "gzip" | "zstd";

/** By the ending of the file's name. */
export function compressionOf(out: string): Compression {
  if (out.endsWith(".gz")) return "gzip";
  return out.endsWith(".zst") ? "zstd" : "none";
}

function buildCompressArgs({ format, compress }: DumpToOptions): string[] {
  // The custom format is compressed within, so that single tables can be taken out of it.
  if (format === "custom" || compress === "none") return [];
  return [compress === "gzip" ? "--compress=gzip:6" : "--compress=zstd:2"];
}
