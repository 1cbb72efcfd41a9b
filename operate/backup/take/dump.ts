import { closeSync, openSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "../../connect/postgres-tool.ts";
import { refused } from "../../error.ts";
import { formatBytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { assertReadable } from "../format/check-dump.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { Seal } from "../format/seal.ts";
import {
  makeId,
  publishBackup,
  readLocalManifests,
  syncAndMeasure,
  withWorkFolder,
} from "../store/folder.ts";
import { type Snapshot, withSnapshot } from "./dump-snapshot.ts";
import { assertDumpSpace, estimateDumpBytes } from "./dump-space.ts";

export interface DumpOptions {
  format: Manifest["format"];
  trigger: Manifest["trigger"];
  pgsteadVersion: string;
  note?: Note;
  signal?: AbortSignal;
}

/** Dumps the database into the backup folder. A failed dump leaves no file there. */
export async function dump(
  settings: Settings,
  backups: BackupSettings,
  options: DumpOptions,
): Promise<Manifest> {
  const { folder, reserveMegabytes } = backups;
  const { format, signal, note } = options;
  const startedAt = new Date();
  const id = makeId(folder, settings.database.name, startedAt);
  const file = `${id}.${format === "custom" ? "dump" : "sql.gz"}`;
  return withSnapshot(settings, async (snapshot) => {
    const { facts } = snapshot;
    return withWorkFolder(folder, snapshot.server, async (work) => {
      const dumpVersion = await assertDumpVersion(settings, facts.serverVersion);
      const last = readLocalManifests(backups).find(isGood)?.dump.size;
      const expected = estimateDumpBytes(last, facts.databaseBytes);
      assertDumpSpace(folder, { expected, reserve: reserveMegabytes * 1e6 });

      const path = join(work, file);
      createPrivateFile(path);
      const describe = () =>
        `dumping: ${formatBytes(statSync(path).size)} of about ${formatBytes(expected)}`;
      const args = buildDumpArgs(format, path, facts.serverVersion, snapshot);
      const { remarks, census } = await withProgress(note, describe, () =>
        dumpAndCount(settings, args, snapshot, signal),
      );
      await assertReadable(settings, path, format, signal);
      const manifest = new Seal(backups).sign<Manifest>({
        version: 1,
        id,
        stack: settings.stack,
        database: settings.database.name,
        format,
        dump: await syncAndMeasure(work, file),
        globals: await dumpGlobals(settings, work, id, signal),
        properties: await dumpProperties(settings, work, id, signal),
        complete: !remarks.some((line) => PG_DUMP_WARNING.test(line)),
        warnings: remarks,
        dumpVersion,
        pgsteadVersion: options.pgsteadVersion,
        ...facts,
        ...census,
        startedAt: startedAt.toISOString(),
        finishedAt: new Date().toISOString(),
        durationMs: Date.now() - startedAt.getTime(),
        trigger: options.trigger,
      });
      signal?.throwIfAborted();
      publishBackup(folder, work, manifest);
      return manifest;
    });
  });
}

/** pg_dump shows only in its output that it left something out; it exits with 0. */
const PG_DUMP_WARNING = /^pg_dump: warning:/;

/** Takes the census while pg_dump runs. If it fails, pg_dump is stopped: the manifest needs it. */
async function dumpAndCount(
  settings: Settings,
  args: string[],
  snapshot: Snapshot,
  signal?: AbortSignal,
) {
  const failure = new AbortController();
  const counting = snapshot.takeCensus();
  counting.catch((error) => failure.abort(error));
  const either = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const { remarks } = await runTool(settings, "pg_dump", args, { signal: either });
  return { remarks, census: await counting };
}

/** For the text of vectors, level 3 is larger than gzip, and level 2 is smaller and faster. */
const COMPRESS = "--compress=zstd:2";

/** S22: without statistics the first queries after a restore get bad plans. */
const STATISTICS_SINCE = 18;

export function buildFormatArgs(format: Manifest["format"], serverVersion: string): string[] {
  return [
    ...(format === "custom" ? ["--format=custom", COMPRESS] : ["--format=plain"]),
    ...(major(serverVersion) >= STATISTICS_SINCE ? ["--statistics"] : []),
    // A lock that is held for longer means that a migration hangs.
    "--lock-wait-timeout=10min",
  ];
}

function buildDumpArgs(
  format: Manifest["format"],
  path: string,
  serverVersion: string,
  { id }: Snapshot,
): string[] {
  // pg_dump writes the file itself: an archive from a pipe lacks the offsets for `pg_restore -j`.
  const compress = format === "plain" ? ["--compress=gzip:6"] : [];
  return [
    ...buildFormatArgs(format, serverVersion),
    ...compress,
    `--snapshot=${id}`,
    `--file=${path}`,
  ];
}

const major = (version: string) => Number.parseInt(version, 10);

export async function assertDumpVersion(settings: Settings, server: string): Promise<string> {
  const { stdout } = await runTool(settings, "pg_dump", ["--version"]);
  const found = /(\d+)\.?\d*/.exec(stdout)?.[0] ?? "unknown";
  if (major(found) >= major(server)) return found;
  throw refused(
    `pg_dump ${found} cannot dump a server of PostgreSQL ${server}; run the backup in the stack's agent container, which has the pg_dump of the server`,
  );
}

/** S12: without password verifiers; `up` sets the passwords again from the stack's secrets. */
async function dumpGlobals(settings: Settings, work: string, id: string, signal?: AbortSignal) {
  return writeTextPart(settings, work, `${id}.globals.sql`, signal, "pg_dumpall", [
    "--globals-only",
    "--no-role-passwords",
  ]);
}

/** S12: only `--create` dumps ALTER DATABASE SET, CONNECT grants and the locale. */
async function dumpProperties(settings: Settings, work: string, id: string, signal?: AbortSignal) {
  return writeTextPart(settings, work, `${id}.properties.sql`, signal, "pg_dump", [
    ...["--create", "--schema-only", "--exclude-schema=*", "--exclude-extension=*"],
    // The connection string of a subscription may hold a password.
    ...["--no-publications", "--no-subscriptions"],
  ]);
}

async function writeTextPart(
  settings: Settings,
  work: string,
  file: string,
  signal: AbortSignal | undefined,
  program: string,
  args: string[],
) {
  const { stdout } = await runTool(settings, program, args, signal && { signal });
  writeFileSync(join(work, file), stdout, { mode: 0o600 });
  return syncAndMeasure(work, file);
}

function createPrivateFile(path: string): void {
  closeSync(openSync(path, "wx", 0o600));
}
