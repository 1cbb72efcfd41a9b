import { Cron } from "croner";
import { readState } from "../agent/state.ts";
import { isGood } from "../backup/format/manifest.ts";
import { prepareFolder, readLocalManifests } from "../backup/store/folder.ts";
import { type ListedBackup, type ListResult, listBackups } from "../backup/store/list-backups.ts";
import { estimateDumpBytes, measureFree } from "../backup/take/dump-space.ts";
import { formatAge, formatBytes } from "../human-units.ts";
import type { BackupSettings, Settings } from "../settings.ts";
import type { Section } from "./section.ts";

export async function readBackupsSection(settings: Settings): Promise<Section> {
  const { backups } = settings;
  if (!backups) return { title: "backups", state: "ok", lines: ["none configured"], data: {} };
  const now = new Date();
  const listed = await listBackups(settings);
  const newest = listed.backups.find(({ good, problem }) => good && !problem);
  const proven = listed.backups.find(({ proof }) => proof?.state === "proven");
  const failed = listed.backups.filter(({ proof }) => proof?.state === "failed");
  const changed = listed.backups.filter(({ standing }) => standing === "broken");
  const { last } = readState(backups.folder);
  // The embedded server has no schedule, so its backups cannot be late.
  const hasSchedule = settings.engine !== "embedded";
  const isLate = hasSchedule && (!newest || isOlderThanTwoRuns(newest.startedAt, backups, now));
  const folderProblem = hasSchedule ? findFolderProblem(backups) : undefined;
  const lines = [
    ...(folderProblem ? [folderProblem] : []),
    newest
      ? `newest good one: ${newest.id}, ${formatAge(newest.startedAt, now)} ago, ${formatBytes(newest.size)}, ${newest.copies.join(" + ")}`
      : `no good one yet; "pgstead backup now" takes one`,
    describeProven(proven, now),
    ...changed.map(
      ({ id }) => `${id}: MANIFEST CHANGED after it was written; this backup does not count`,
    ),
    ...failed.map(({ id, proof }) => `${id} FAILED TO RESTORE: ${proof?.problems[0]}`),
    ...(isLate && newest ? ["that is older than two runs of the schedule"] : []),
    ...(last && last.outcome !== "done" ? [`last run: ${last.outcome} ${last.error ?? ""}`] : []),
    ...describeOffSiteCopies(listed, hasSchedule),
  ];
  const needsAttention =
    isLate ||
    Boolean(folderProblem) ||
    failed.length + changed.length > 0 ||
    Boolean(listed.bucketError) ||
    last?.outcome === "failed";
  return {
    title: "backups",
    state: needsAttention ? "attention" : "ok",
    lines,
    data: {
      newest: newest ?? null,
      proven: proven?.id ?? null,
      last,
      count: listed.backups.length,
    },
  };
}

/** Why the next backup would fail. */
function findFolderProblem(backups: BackupSettings): string | undefined {
  const { folder } = backups;
  try {
    prepareFolder(folder);
  } catch (error) {
    return (error as Error).message;
  }
  const last = readLocalManifests(backups).find(isGood)?.dump.size;
  const free = measureFree(folder);
  if (last === undefined || free >= estimateDumpBytes(last, 0)) return undefined;
  return `${folder}: ${formatBytes(free)} are free, and the newest dump has ${formatBytes(last)}; free some space, or lower "backups.keepDays"`;
}

function describeProven(proven: ListedBackup | undefined, now: Date): string {
  if (!proven?.proof)
    return `none is proven yet; "pgstead backup verify" restores one and compares it`;
  const { restorableTo, restoreSeconds } = proven.proof;
  return `newest proven: ${proven.id}, restores the data of ${formatAge(restorableTo, now)} ago in ${restoreSeconds} s`;
}

function describeOffSiteCopies(
  { bucket, bucketError }: ListResult,
  hasSchedule: boolean,
): string[] {
  if (bucketError) return [bucketError];
  if (bucket || !hasSchedule) return [];
  return [`all copies are on this host and are lost with it; set "pgstead:bucket"`];
}

function isOlderThanTwoRuns(startedAt: string, { schedule }: { schedule: string }, now: Date) {
  const [, before] = new Cron(schedule, { timezone: "UTC", paused: true }).previousRuns(2, now);
  return before !== undefined && Date.parse(startedAt) < before.getTime();
}
