import type { BackupSettings } from "../../settings.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { isProven, readLocalProof } from "../format/proof.ts";
import { readLocalManifests, removeBackup } from "./folder.ts";
import { planRetention, type RetentionDecision } from "./retention.ts";

export interface PruneDecision extends RetentionDecision {
  size: number;
  startedAt: string;
}

/** Decides which local copies to remove. The bucket's lifecycle removes the copies there. */
export function planPruning(backups: BackupSettings, now = new Date()): PruneDecision[] {
  const manifests = new Map(readLocalManifests(backups).map((manifest) => [manifest.id, manifest]));
  const copies = [...manifests.values()].map((manifest) => {
    const proof = readLocalProof(backups, manifest);
    const good = isGood(manifest) && proof?.state !== "failed";
    return {
      id: manifest.id,
      startedAt: manifest.startedAt,
      good,
      proven: good && isProven(proof, now),
    };
  });
  return planRetention(copies, backups, now).map((decision) => {
    const { dump, startedAt } = manifests.get(decision.id) as Manifest;
    return { ...decision, size: dump.size, startedAt };
  });
}

/** Returns the ids of the removed copies. */
export function pruneLocalCopies(backups: BackupSettings): string[] {
  const removed = planPruning(backups).filter(({ keep }) => !keep);
  const manifests = readLocalManifests(backups);
  for (const { id } of removed) {
    const manifest = manifests.find((candidate) => candidate.id === id);
    if (manifest) removeBackup(backups.folder, manifest);
  }
  return removed.map(({ id }) => id);
}
