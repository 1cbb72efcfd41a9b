import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { dumpWithPgDump } from "../../embedded/pg-dump.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { readCensus } from "../format/census.ts";
import { assertReadable } from "../format/check-dump.ts";
import type { Manifest } from "../format/manifest.ts";
import { Seal } from "../format/seal.ts";
import { makeId, publishBackup, syncAndMeasure, withWorkFolder } from "../store/folder.ts";
import type { DumpOptions } from "./dump.ts";
import { readDatabaseFacts } from "./dump-snapshot.ts";

/**
 * Dumps the embedded server: always as plain SQL, and without roles, because it has none. Its clients
 * share one session, so the rows are counted on the connection of the dump.
 */
export async function dumpEmbedded(
  settings: Settings,
  backups: BackupSettings,
  { trigger, pgsteadVersion, note, signal }: DumpOptions,
): Promise<Manifest> {
  const { folder } = backups;
  const startedAt = new Date();
  const id = makeId(folder, settings.database.name, startedAt);
  const file = `${id}.sql.gz`;
  return withWorkFolder(folder, "embedded", async (work) => {
    const { text, seen } = await dumpEmbeddedText(settings, note, signal);
    writeFileSync(join(work, file), await promisify(gzip)(text), { mode: 0o600 });
    await assertReadable(settings, join(work, file), "plain", signal);
    const manifest = new Seal(backups).sign<Manifest>({
      version: 1,
      id,
      stack: settings.stack,
      database: settings.database.name,
      format: "plain",
      dump: await syncAndMeasure(work, file),
      complete: true,
      warnings: [],
      dumpVersion: /^-- Dumped by pg_dump version (\S+)/m.exec(text)?.[1] ?? "unknown",
      pgsteadVersion,
      ...seen,
      startedAt: startedAt.toISOString(),
      finishedAt: new Date().toISOString(),
      durationMs: Date.now() - startedAt.getTime(),
      trigger,
    });
    publishBackup(folder, work, manifest);
    return manifest;
  });
}

export const dumpEmbeddedText = (settings: Settings, note?: Note, signal?: AbortSignal) =>
  withProgress(
    note,
    () => "dumping the embedded server",
    () =>
      dumpWithPgDump(settings, signal, async (asker) => ({
        ...(await readDatabaseFacts(asker, settings.backups?.auditHead)),
        ...(await readCensus(asker)),
      })),
  );
