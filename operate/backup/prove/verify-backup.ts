import { ExitCode, ExpectedError, unreachable } from "../../error.ts";
import { type Note, withProgress } from "../../progress.ts";
import { withScratchHome } from "../../scratch/home.ts";
import { assertScratchRoom, withinReserve } from "../../scratch/room.ts";
import { type Scratch, withScratchServer } from "../../scratch/server.ts";
import { takeTurns } from "../../scratch/turns.ts";
import type { BackupSettings, Settings } from "../../settings.ts";
import { backupSettings } from "../backup-settings.ts";
import { CannotVerify } from "../format/cannot-verify.ts";
import type { Manifest } from "../format/manifest.ts";
import { type Outcome, type Proof, proofName, proofText, writeProof } from "../format/proof.ts";
import { Seal } from "../format/seal.ts";
import { withBucket } from "../store/bucket.ts";
import { type Found, findBackup } from "../store/find.ts";
import { openFolder } from "../store/folder.ts";
import { putJson } from "../store/upload.ts";
import { withParts } from "../take/parts.ts";
import { compare } from "./compare-census.ts";
import { proveEmbedded } from "./prove-embedded.ts";
import { restoreInto } from "./restore-into.ts";

export interface VerifyOptions {
  /** Read the copy in the bucket though there is a local one. */
  fromBucket?: boolean;
  pgsteadVersion: string;
  waitMs: number;
  note?: Note;
  signal?: AbortSignal;
}

/** Restores a backup into a scratch server, compares, and writes down what came of it. */
export async function verifyBackup(
  settings: Settings,
  wanted: string,
  options: VerifyOptions,
): Promise<Proof> {
  const backups = backupSettings(settings);
  openFolder(backups.folder);
  const found = await findBackup(settings, wanted, options.fromBucket);
  return takeTurns({ ...options, purpose: "backup verify" }, async () => {
    const started = Date.now();
    const { state, ...outcome } = await tried(settings, backups, found, options);
    options.signal?.throwIfAborted();
    const { id, dump, startedAt, rows } = found.manifest;
    const proof = new Seal(backups).put<Proof>({
      version: 1,
      id,
      sha256: dump.sha256,
      state,
      ...outcome,
      from: found.where,
      verifiedAt: new Date().toISOString(),
      totalSeconds: seconds(started),
      restorableTo: startedAt,
      tables: Object.keys(rows).length,
      rows: Object.values(rows).reduce((sum, count) => sum + count, 0),
      pgsteadVersion: options.pgsteadVersion,
    });
    await record(backups, proof);
    return proof;
  });
}

/** Beside the copy that was read: what holds for one need not hold for the other (S17). */
async function record(backups: BackupSettings, proof: Proof): Promise<void> {
  if (proof.from === "local") return writeProof(backups.folder, proof);
  await withBucket(backups, (bucket) =>
    putJson(bucket, `dumps/${proofName(proof.id)}`, proofText(proof)),
  );
}

async function tried(
  settings: Settings,
  backups: BackupSettings,
  { manifest, where }: Found,
  options: VerifyOptions,
): Promise<Outcome & Pick<Proof, "state">> {
  const nothing = { restoreSeconds: 0, compared: [] };
  try {
    assertUnchanged(manifest);
    const outcome = await withScratchHome(backups.folder, (home) =>
      withParts(backups, { manifest, where }, home, options, (folder) =>
        settings.engine === "embedded"
          ? proveEmbedded(settings, manifest, folder)
          : prove(settings, backups, { manifest, folder, home }, options),
      ),
    );
    return { ...outcome, state: outcome.problems.length === 0 ? "proven" : "failed" };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof CannotVerify || error instanceof ExpectedError)) throw error;
    // A tool that is missing here says nothing of the backup.
    const isOurs = error instanceof CannotVerify || error.exitCode === ExitCode.mistake;
    return { ...nothing, state: isOurs ? "unverified" : "failed", problems: [error.message] };
  }
}

function assertUnchanged({ id, standing }: Manifest): void {
  if (standing !== "broken") return;
  throw unreachable(`the manifest of ${id} was changed since it was written: its seal is broken`);
}

interface Tried {
  manifest: Manifest;
  /** Where its parts lie, and where the scratch server may. */
  folder: string;
  home: string;
}

async function prove(
  settings: Settings,
  backups: BackupSettings,
  { manifest, folder, home }: Tried,
  { note, signal }: VerifyOptions,
): Promise<Outcome> {
  const reserve = backups.reserveMegabytes * 1e6;
  const { serverSettings = {} } = manifest;
  assertScratchRoom(backups.folder, manifest.databaseBytes, reserve);
  return withinReserve(backups.folder, reserve, signal, (within) =>
    withScratchServer({ home, serverSettings, signal: within }, (scratch) =>
      restoreAndCompare(scratch, within).catch((error) => {
        within.throwIfAborted();
        throw blame(scratch, error as Error);
      }),
    ),
  );

  async function restoreAndCompare({ settings: server, memory }: Scratch, within: AbortSignal) {
    const started = Date.now();
    const restoring = () => `restoring ${manifest.id} into a scratch server`;
    const how = { folder, work: home, jobs: memory.jobs, signal: within };
    const restored = await withProgress(note, restoring, () => restoreInto(server, manifest, how));
    const restoreSeconds = seconds(started);
    const comparing = () => `comparing ${manifest.id} with its manifest`;
    const result = await withProgress(note, comparing, () => compare(restored, manifest, settings));
    return { ...result, restoreSeconds };
  }
}

/** What the scratch server lacks is not the backup's fault. */
const NOT_ITS_FAULT =
  /No space left on device|could not resize shared memory|out of memory|out of shared memory|was terminated by signal 9|shared_preload_libraries|is not available/i;

function blame({ log }: Scratch, error: Error): Error {
  const said = [error.message, ...log().split("\n")];
  const [reason] = said.filter((line) => NOT_ITS_FAULT.test(line));
  return reason ? new CannotVerify(`the scratch server could not take it: ${reason}`) : error;
}

const seconds = (since: number) => Math.round((Date.now() - since) / 10) / 100;
