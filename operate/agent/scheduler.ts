import { setTimeout as sleep } from "node:timers/promises";
import { backupSettings } from "../backup/backup-settings.ts";
import { isAhead } from "../backup/format/clock.ts";
import { isGood } from "../backup/format/manifest.ts";
import type { Proof } from "../backup/format/proof.ts";
import { findDueVerification, readVerifications } from "../backup/prove/due-verification.ts";
import { openFolder, readLocalManifests } from "../backup/store/folder.ts";
import type { Uploaded } from "../backup/store/update-bucket.ts";
import type { BackupResult } from "../backup/take/take-backup.ts";
import type { Settings } from "../settings.ts";
import { findDueTime, isAttemptAllowed, parseSchedule } from "./due.ts";
import { readHealth } from "./health.ts";
import { Notifier } from "./notify.ts";
import { type Run, readState, type State, writeState } from "./state.ts";

/** How the scheduler acts; each in a process of its own, so that this one stays small. */
export interface Actions {
  backup(signal: AbortSignal): Promise<BackupResult>;
  upload(signal: AbortSignal): Promise<Uploaded>;
  verify(id: string, signal: AbortSignal): Promise<Proof>;
}

export interface ScheduleOptions {
  signal: AbortSignal;
  log: (line: string) => void;
}

/** The clock is looked at so often whatever is due next: it may jump, and a machine may sleep. */
const LOOK_MS = 15_000;

/** Takes backups when they are due, one after the other, until it is told to stop. */
export async function runSchedule(
  settings: Settings,
  actions: Actions,
  { signal, log }: ScheduleOptions,
): Promise<void> {
  const backups = backupSettings(settings);
  const { folder, schedule, verify } = backups;
  const cron = parseSchedule(schedule);
  openFolder(folder);
  const teller = new Notifier(settings.stack, backups, log);
  const begun = readState(folder);
  if (!begun.since || isAhead(begun.since))
    writeState(folder, { ...begun, since: new Date().toISOString() });
  log(`backups at "${schedule}" UTC into ${folder}; next ${cron.nextRun()?.toISOString()}`);
  while (!signal.aborted) {
    await tick();
    const untilNext = cron.msToNext() ?? LOOK_MS;
    await sleep(Math.min(untilNext + 5, LOOK_MS), undefined, { signal }).catch(() => {});
  }

  async function tick(): Promise<void> {
    await backUp();
    if (!signal.aborted) await prove();
    if (!signal.aborted) await teller.tell(readHealth(backups, readState(folder)));
  }

  async function backUp(): Promise<void> {
    const state = readState(folder);
    const now = new Date();
    if (!isAttemptAllowed(state, now)) return;
    const newest = readLocalManifests(backups).find(isGood)?.startedAt ?? firstWaitsSince(state);
    const due = findDueTime(cron, state, newest, now);
    if (due) await take(due);
    else if (state.last?.outcome === "not uploaded") await makeUpUpload(state.last);
  }

  /** A container exists to be backed up; the embedded server of somebody's first minute waits for the night. */
  function firstWaitsSince({ since }: State): string | undefined {
    return settings.engine === "embedded" ? (since ?? undefined) : undefined;
  }

  async function take(due: string): Promise<void> {
    log(`backup due ${due}: begins`);
    const startedAt = new Date().toISOString();
    const run = await outcomeOf(() => actions.backup(signal), signal);
    const { failures, handled, ...rest } = readState(folder);
    const finishedAt = new Date().toISOString();
    // Incomplete, it would be so again in five minutes: somebody must look.
    const isTaken = ["done", "not uploaded", "incomplete"].includes(run.outcome);
    writeState(folder, {
      ...rest,
      handled: isTaken ? due : handled,
      last: { due, startedAt, finishedAt, ...run },
      failures: run.outcome === "done" || run.outcome === "stopped" ? 0 : failures + 1,
    });
    log(`backup due ${due}: ${run.outcome}${run.id ? ` (${run.id})` : ""}`);
    if (run.error) log(run.error);
    if (isTaken) log(`next backup ${cron.nextRun()?.toISOString()}`);
  }

  async function makeUpUpload(last: Run): Promise<void> {
    let error: string | null;
    try {
      error = (await actions.upload(signal)).error;
    } catch (failure) {
      error = (failure as Error).message;
    }
    if (signal.aborted) return;
    const { failures, ...rest } = readState(folder);
    const outcome = error === null ? "done" : "not uploaded";
    const finishedAt = new Date().toISOString();
    writeState(folder, {
      ...rest,
      last: { ...last, outcome, error, finishedAt },
      failures: error === null ? 0 : failures + 1,
    });
    log(error === null ? "upload made up" : `upload: ${error}`);
  }

  /** Also of those that a person took, and of the one whose proof was cut off with the agent. */
  async function prove(): Promise<void> {
    const { proving } = readState(folder);
    const now = new Date();
    if (!isAttemptAllowed({ last: proving, failures: proving?.failures ?? 0 }, now)) return;
    const id = findDueVerification(verify, readVerifications(backups, now), now);
    if (!id) return;
    log(`restoring ${id} into a scratch server: begins`);
    let error: string | null = null;
    try {
      const { state, problems, totalSeconds } = await actions.verify(id, signal);
      log(`${id}: ${state}, in ${totalSeconds} s`);
      for (const problem of problems) log(`  ${problem}`);
    } catch (failure) {
      if (signal.aborted) return;
      error = (failure as Error).message;
      log(`${id}: the verification itself failed: ${error}`);
    }
    const failures = error === null ? 0 : (proving?.failures ?? 0) + 1;
    const finishedAt = new Date().toISOString();
    writeState(folder, { ...readState(folder), proving: { id, finishedAt, failures, error } });
  }
}

async function outcomeOf(
  backup: () => Promise<BackupResult>,
  signal: AbortSignal,
): Promise<Pick<Run, "outcome" | "id" | "error">> {
  try {
    const { manifest, uploadError } = await backup();
    const { id, complete, warnings } = manifest;
    if (!complete) return { outcome: "incomplete", id, error: warnings.join("\n") };
    return { outcome: uploadError ? "not uploaded" : "done", id, error: uploadError };
  } catch (error) {
    if (signal.aborted) return { outcome: "stopped", id: null, error: null };
    return { outcome: "failed", id: null, error: (error as Error).message };
  }
}
