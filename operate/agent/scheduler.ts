import { setTimeout as sleep } from "node:timers/promises";
import type { Cron } from "croner";
import { backupSettings } from "../backup/backup-settings.ts";
import { isAhead } from "../backup/format/clock.ts";
import { isGood } from "../backup/format/manifest.ts";
import type { Proof } from "../backup/format/proof.ts";
import { findDueVerification, readVerifications } from "../backup/prove/due-verification.ts";
import { prepareFolder, readLocalManifests } from "../backup/store/folder.ts";
import type { BucketUpdate } from "../backup/store/update-bucket.ts";
import type { BackupResult } from "../backup/take/take-backup.ts";
import type { BackupSettings, Settings } from "../settings.ts";
import { findDueTime, isAttemptAllowed, parseSchedule } from "./due.ts";
import { isFirstUpRunning } from "./first-up.ts";
import { readHealth } from "./health.ts";
import { Notifier } from "./notify.ts";
import { type Run, readState, type State, updateState } from "./state.ts";

/** Each action runs in a process of its own, so that the scheduler's own process stays small. */
export interface Actions {
  backup(signal: AbortSignal): Promise<BackupResult>;
  upload(signal: AbortSignal): Promise<BucketUpdate>;
  verify(id: string, signal: AbortSignal): Promise<Proof>;
}

export interface SchedulerOptions {
  signal: AbortSignal;
  log: (line: string) => void;
}

/** The longest pause between two steps: the clock may be set, and a machine may sleep. */
const MAX_PAUSE_MS = 15_000;
const PAUSE_IN_FIRST_UP_MS = 1_000;

/**
 * Takes and verifies backups when they are due, one action at a time. The state file holds the state:
 * each step reads it and the backup folder, and writes the result to it.
 */
export class Scheduler {
  private readonly readSettings: () => Settings;
  private readonly actions: Actions;
  private readonly signal: AbortSignal;
  private readonly log: (line: string) => void;
  private settings!: Settings;
  private backups!: BackupSettings;
  private cron!: Cron;
  private notifier!: Notifier;
  private waitsForFirstUp = false;
  /** Why the last step failed. Not in the state file: often that file is what cannot be written. */
  trouble: string | undefined;

  constructor(readSettings: () => Settings, actions: Actions, { signal, log }: SchedulerOptions) {
    this.readSettings = readSettings;
    this.actions = actions;
    this.signal = signal;
    this.log = log;
    this.useSettings(readSettings());
  }

  /** Returns once the signal is aborted. A step that fails is tried again (S30). */
  async run(): Promise<void> {
    this.logSchedule();
    while (!this.signal.aborted) {
      await this.tryStep();
      await this.pause();
    }
  }

  private useChangedSettings(): void {
    const settings = this.readSettings();
    if (settings === this.settings) return;
    this.useSettings(settings);
    this.log("the settings have changed");
    this.logSchedule();
  }

  private useSettings(settings: Settings): void {
    this.settings = settings;
    this.backups = backupSettings(settings);
    this.cron = parseSchedule(this.backups.schedule);
    this.notifier = new Notifier(settings.stack, this.backups, this.log);
  }

  private logSchedule(): void {
    const { folder, schedule } = this.backups;
    this.log(`backups at "${schedule}" UTC into ${folder}; next ${this.nextRun()}`);
  }

  private async tryStep(): Promise<void> {
    try {
      this.useChangedSettings();
      // Before any work: a run whose result cannot be recorded would be repeated at each step.
      prepareFolder(this.backups.folder);
      this.recordFirstStart();
      await this.step();
      if (this.trouble) this.log("the schedule works again");
      this.trouble = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.trouble) this.log(`the schedule does not work: ${message}`);
      this.trouble = message;
    }
  }

  private recordFirstStart(): void {
    const { since } = this.readState();
    if (!since || isAhead(since)) this.updateState({ since: new Date().toISOString() });
  }

  private async step(): Promise<void> {
    await this.backUpIfDue();
    if (!this.signal.aborted) await this.verifyIfDue();
    if (!this.signal.aborted) {
      await this.notifier.notify(readHealth(this.backups, this.readState()));
    }
  }

  private async pause(): Promise<void> {
    const untilNext = this.cron.msToNext() ?? MAX_PAUSE_MS;
    const maxPause = this.waitsForFirstUp ? PAUSE_IN_FIRST_UP_MS : MAX_PAUSE_MS;
    const pauseMs = Math.min(untilNext + 5, maxPause);
    await sleep(pauseMs, undefined, { signal: this.signal }).catch(() => {});
  }

  private async backUpIfDue(): Promise<void> {
    const state = this.readState();
    const now = new Date();
    if (!isAttemptAllowed(state, now)) return;
    const newest = this.findNewestBackupTime(state);
    this.waitsForFirstUp = !newest && isFirstUpRunning(this.settings, state.since, now);
    if (this.waitsForFirstUp) return;
    const due = findDueTime(this.cron, state, newest, now);
    if (due) await this.takeBackup(due);
    else if (state.last?.outcome === "not uploaded") await this.retryUpload(state.last);
  }

  /** The first backup of an embedded server waits for the schedule; other engines take it at once. */
  private findNewestBackupTime({ since }: State): string | undefined {
    const newest = readLocalManifests(this.backups).find(isGood);
    if (newest) return newest.startedAt;
    return this.settings.engine === "embedded" ? (since ?? undefined) : undefined;
  }

  private async takeBackup(due: string): Promise<void> {
    this.log(`backup due ${due}: begins`);
    const startedAt = new Date().toISOString();
    const result = await this.runBackup();
    const finishedAt = new Date().toISOString();
    const run: Run = { due, startedAt, finishedAt, ...result };
    this.updateState(afterBackup(this.readState(), run));
    this.log(`backup due ${due}: ${run.outcome}${run.id ? ` (${run.id})` : ""}`);
    if (run.error) this.log(run.error);
    if (hasDump(run)) this.log(`next backup ${this.nextRun()}`);
  }

  private async runBackup(): Promise<Pick<Run, "outcome" | "id" | "error">> {
    try {
      const { manifest, uploadError } = await this.actions.backup(this.signal);
      const { id, complete, warnings } = manifest;
      if (!complete) return { outcome: "incomplete", id, error: warnings.join("\n") };
      return { outcome: uploadError ? "not uploaded" : "done", id, error: uploadError };
    } catch (error) {
      if (this.signal.aborted) return { outcome: "stopped", id: null, error: null };
      return { outcome: "failed", id: null, error: (error as Error).message };
    }
  }

  private async retryUpload(last: Run): Promise<void> {
    const error = await this.runUpload();
    if (this.signal.aborted) return;
    const finishedAt = new Date().toISOString();
    const outcome = error === null ? "done" : "not uploaded";
    this.updateState(afterUpload(this.readState(), { ...last, outcome, error, finishedAt }));
    this.log(error === null ? "upload: done" : `upload: ${error}`);
  }

  private async runUpload(): Promise<string | null> {
    try {
      return (await this.actions.upload(this.signal)).error;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Includes backups that a person took, and one whose verification ended with the agent. */
  private async verifyIfDue(): Promise<void> {
    const { proving } = this.readState();
    const now = new Date();
    if (!isAttemptAllowed({ last: proving, failures: proving?.failures ?? 0 }, now)) return;
    const verifications = readVerifications(this.backups, now);
    const id = findDueVerification(this.backups.verify, verifications, now);
    if (!id) return;
    this.log(`restoring ${id} into a scratch server: begins`);
    const error = await this.runVerification(id);
    if (error !== null && this.signal.aborted) return;
    const failures = error === null ? 0 : (proving?.failures ?? 0) + 1;
    this.updateState({ proving: { id, finishedAt: new Date().toISOString(), failures, error } });
  }

  /** Returns why the verification could not run, or null. A backup that fails it is in its proof. */
  private async runVerification(id: string): Promise<string | null> {
    try {
      const { state, problems, totalSeconds } = await this.actions.verify(id, this.signal);
      this.log(`${id}: ${state}, in ${totalSeconds} s`);
      for (const problem of problems) this.log(`  ${problem}`);
      return null;
    } catch (error) {
      const { message } = error as Error;
      if (!this.signal.aborted) this.log(`${id}: the verification itself failed: ${message}`);
      return message;
    }
  }

  private readState(): State {
    return readState(this.backups.folder);
  }

  private updateState(change: Partial<State>): void {
    updateState(this.backups.folder, change);
  }

  private nextRun(): string | undefined {
    return this.cron.nextRun()?.toISOString();
  }
}

/** An incomplete dump counts too: the next one would also be incomplete, so a person must look. */
const hasDump = ({ outcome }: Run) =>
  outcome === "done" || outcome === "not uploaded" || outcome === "incomplete";

function afterBackup({ handled, failures }: State, run: Run): Partial<State> {
  const isFailure = run.outcome !== "done" && run.outcome !== "stopped";
  return {
    handled: hasDump(run) ? run.due : handled,
    last: run,
    failures: isFailure ? failures + 1 : 0,
  };
}

const afterUpload = ({ failures }: State, run: Run): Partial<State> => ({
  last: run,
  failures: run.outcome === "done" ? 0 : failures + 1,
});
