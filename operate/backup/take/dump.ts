import { closeSync, openSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runTool } from "../../connect/postgres-tool.ts";
import { refused } from "../../error.ts";
import { bytes } from "../../human-units.ts";
import { type Note, withProgress } from "../../progress.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { assertReadable } from "../format/check-dump.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { Seal } from "../format/seal.ts";
import { newId, publish, readLocalManifests, secure, withWorkFolder } from "../store/folder.ts";
import { type Snapshot, withSnapshot } from "./dump-snapshot.ts";
import { assertDumpSpace, estimateDumpBytes } from "./dump-space.ts";

export interface DumpOptions {
  format: Manifest["format"];
  trigger: Manifest["trigger"];
  pgsteadVersion: string;
  note?: Note;
  signal?: AbortSignal;
}

/** Dumps the database into the backup folder. Nothing of a dump that fails stays there. */
export async function dump(
  settings: Settings,
  backups: BackupSettings,
  options: DumpOptions,
): Promise<Manifest> {
  const { folder, reserveMegabytes } = backups;
  const { format, signal, note } = options;
  const startedAt = new Date();
  const id = newId(folder, settings.database.name, startedAt);
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
      const written = () => `dumping: ${bytes(statSync(path).size)} of about ${bytes(expected)}`;
      const args = buildDumpArgs(format, path, facts.serverVersion, snapshot);
      const { remarks, census } = await withProgress(note, written, () =>
        dumpAndCount(settings, args, snapshot, signal),
      );
      await assertReadable(settings, path, format, signal);
      const manifest = new Seal(backups).put<Manifest>({
        version: 1,
        id,
        stack: settings.stack,
        database: settings.database.name,
        format,
        dump: await secure(work, file),
        globals: await dumpGlobals(settings, work, id, signal),
        properties: await dumpProperties(settings, work, id, signal),
        complete: !remarks.some((line) => /^pg_dump: warning:/.test(line)),
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
      publish(folder, work, manifest);
      return manifest;
    });
  });
}

/** Counted while pg_dump runs. A count that fails ends the dump, whose manifest would lack it. */
async function dumpAndCount(
  settings: Settings,
  args: string[],
  snapshot: Snapshot,
  signal?: AbortSignal,
) {
  const uncounted = new AbortController();
  const counting = snapshot.takeCensus();
  counting.catch((error) => uncounted.abort(error));
  const both = signal ? AbortSignal.any([signal, uncounted.signal]) : uncounted.signal;
  const { remarks } = await runTool(settings, "pg_dump", args, { signal: both });
  return { remarks, census: await counting };
}

/** Of the text of vectors, level 3 makes more than gzip does; 2 makes less, and sooner. */
const COMPRESS = "--compress=zstd:2";

/** S22: without statistics the first queries after a restore are planned blindly. */
const STATISTICS_SINCE = 18;

export function buildFormatArgs(format: Manifest["format"], serverVersion: string): string[] {
  return [
    ...(format === "custom" ? ["--format=custom", COMPRESS] : ["--format=plain"]),
    ...(major(serverVersion) >= STATISTICS_SINCE ? ["--statistics"] : []),
    // Behind a migration that holds its lock for longer, something is wrong.
    "--lock-wait-timeout=10min",
  ];
}

function buildDumpArgs(
  format: Manifest["format"],
  path: string,
  serverVersion: string,
  { id }: Snapshot,
): string[] {
  // Written by pg_dump itself, not piped: only then has the archive the offsets `pg_restore -j` needs.
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
    `the server is PostgreSQL ${server} and pg_dump is ${found}, which cannot read it; run the backup in the stack's agent container, which has the server's own`,
  );
}

/** S12: verifiers of passwords stay out; `up` sets them again from the stack's own secrets. */
async function dumpGlobals(settings: Settings, work: string, id: string, signal?: AbortSignal) {
  return writeTextPart(settings, work, `${id}.globals.sql`, signal, "pg_dumpall", [
    "--globals-only",
    "--no-role-passwords",
  ]);
}

/** S12: only `--create` carries ALTER DATABASE SET, CONNECT grants and the locale. */
async function dumpProperties(settings: Settings, work: string, id: string, signal?: AbortSignal) {
  return writeTextPart(settings, work, `${id}.properties.sql`, signal, "pg_dump", [
    ...["--create", "--schema-only", "--exclude-schema=*", "--exclude-extension=*"],
    // Their connection strings may hold a password.
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
  return secure(work, file);
}

function createPrivateFile(path: string): void {
  closeSync(openSync(path, "wx", 0o600));
}
