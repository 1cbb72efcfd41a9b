import { damaged, ExitCode, ExpectedError } from "../../error.ts";
import { type Note, withProgress } from "../../progress.ts";
import { withScratchFolder } from "../../scratch/scratch-folder.ts";
import { withScratchLock } from "../../scratch/scratch-lock.ts";
import { type ScratchServer, withScratchServer } from "../../scratch/scratch-server.ts";
import { assertScratchSpace, withReserveWatch } from "../../scratch/scratch-space.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { CannotVerify } from "../format/cannot-verify.ts";
import type { Manifest } from "../format/manifest.ts";
import {
  type Proof,
  proofName,
  type RestoreResult,
  serializeProof,
  writeProof,
} from "../format/proof.ts";
import { Seal } from "../format/seal.ts";
import { withBucket } from "../store/bucket-client.ts";
import { type FoundBackup, findBackup } from "../store/find-backup.ts";
import { prepareFolder } from "../store/folder.ts";
import { updateBucket } from "../store/update-bucket.ts";
import { uploadJson } from "../store/upload-backup.ts";
import { withBackupFiles } from "./backup-files.ts";
import { blameServer } from "./blame-server.ts";
import { compareWithManifest } from "./compare-restored.ts";
import { proveEmbedded } from "./prove-embedded.ts";
import { restoreInto } from "./restore-into.ts";

export interface VerifyOptions {
  /** Restore the copy in the bucket, even if there is a local copy. */
  fromBucket?: boolean;
  pgsteadVersion: string;
  waitMs: number;
  note?: Note;
  signal?: AbortSignal;
}

export interface VerifyResult {
  proof: Proof;
  /** Why the proof is not in the bucket. A local proof still counts. */
  uploadError: string | null;
}

/** Restores a backup into a scratch server, compares it, and saves the proof here and in the bucket. */
export async function verifyBackup(
  settings: Settings,
  id: string,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const backups = backupSettings(settings);
  prepareFolder(backups.folder);
  const found = await findBackup(settings, id, options.fromBucket);
  const proof = await withScratchLock({ ...options, purpose: "backup verify" }, () =>
    proveBackup(settings, backups, found, options),
  );
  const { error } = await updateBucket(backups, options);
  return { proof, uploadError: error };
}

async function proveBackup(
  settings: Settings,
  backups: BackupSettings,
  found: FoundBackup,
  options: VerifyOptions,
): Promise<Proof> {
  const started = Date.now();
  const { state, ...result } = await tryRestore(settings, backups, found, options);
  options.signal?.throwIfAborted();
  const { id, dump, startedAt, rows } = found.manifest;
  const proof = new Seal(backups).sign<Proof>({
    version: 1,
    id,
    sha256: dump.sha256,
    state,
    ...result,
    from: found.where,
    verifiedAt: new Date().toISOString(),
    totalSeconds: secondsSince(started),
    restorableTo: startedAt,
    tables: Object.keys(rows).length,
    rows: Object.values(rows).reduce((sum, count) => sum + count, 0),
    pgsteadVersion: options.pgsteadVersion,
  });
  await saveProof(backups, proof);
  return proof;
}

/** Saves it beside the copy that was restored: the other copy may be different (S17). */
async function saveProof(backups: BackupSettings, proof: Proof): Promise<void> {
  if (proof.from === "local") return writeProof(backups.folder, proof);
  await withBucket(backups, (bucket) =>
    uploadJson(bucket, `dumps/${proofName(proof.id)}`, serializeProof(proof)),
  );
}

/** Does not throw if the backup does not restore: that is a result. */
async function tryRestore(
  settings: Settings,
  backups: BackupSettings,
  found: FoundBackup,
  options: VerifyOptions,
): Promise<RestoreResult & Pick<Proof, "state">> {
  const { manifest } = found;
  try {
    assertSealUnbroken(manifest);
    const result = await withScratchFolder(backups.folder, (scratchFolder) =>
      withBackupFiles(backups, found, scratchFolder, options, (folder) =>
        settings.engine === "embedded"
          ? proveEmbedded(settings, manifest, folder)
          : proveOnServer(settings, backups, { manifest, folder, scratchFolder }, options),
      ),
    );
    return { ...result, state: result.problems.length === 0 ? "proven" : "failed" };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof CannotVerify || error instanceof ExpectedError)) throw error;
    // A missing tool shows nothing about the backup.
    const isUnverified = error instanceof CannotVerify || error.exitCode === ExitCode.mistake;
    const state = isUnverified ? "unverified" : "failed";
    return { restoreSeconds: 0, compared: [], state, problems: [error.message] };
  }
}

function assertSealUnbroken({ id, standing }: Manifest): void {
  if (standing !== "broken") return;
  throw damaged(`the manifest of ${id} was changed since it was written: its seal is broken`);
}

interface BackupFiles {
  manifest: Manifest;
  /** Folder with the parts of the backup. */
  folder: string;
  /** Folder for the scratch server. */
  scratchFolder: string;
}

async function proveOnServer(
  settings: Settings,
  backups: BackupSettings,
  files: BackupFiles,
  options: VerifyOptions,
): Promise<RestoreResult> {
  const { manifest, scratchFolder } = files;
  const reserve = backups.reserveMegabytes * 1e6;
  const { serverSettings = {} } = manifest;
  assertScratchSpace(backups.folder, manifest.databaseBytes, reserve);
  return withReserveWatch(backups.folder, reserve, options.signal, (signal) =>
    withScratchServer({ scratchFolder, serverSettings, signal }, (scratch) =>
      restoreAndCompare(settings, scratch, files, { ...options, signal }).catch((error) => {
        signal.throwIfAborted();
        throw blameServer(error as Error, scratch.readLog());
      }),
    ),
  );
}

async function restoreAndCompare(
  configured: Settings,
  { settings: server, memory }: ScratchServer,
  { manifest, folder, scratchFolder }: BackupFiles,
  { note, signal }: { note?: Note; signal: AbortSignal },
): Promise<RestoreResult> {
  const started = Date.now();
  const restored = await withProgress(
    note,
    () => `restoring ${manifest.id} into a scratch server`,
    () => restoreInto(server, manifest, { folder, work: scratchFolder, jobs: memory.jobs, signal }),
  );
  const restoreSeconds = secondsSince(started);
  const comparison = await withProgress(
    note,
    () => `comparing ${manifest.id} with its manifest`,
    () => compareWithManifest(restored, manifest, configured),
  );
  return { ...comparison, restoreSeconds };
}

const secondsSince = (started: number) => Math.round((Date.now() - started) / 10) / 100;
