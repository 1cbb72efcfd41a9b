import type { BackupSettings } from "../../settings.ts";
import { isGood, type Manifest } from "../format/manifest.ts";
import { readLocalProof } from "../format/proof.ts";
import { readLocalManifests, removeBackup } from "./folder.ts";
import { type Decision, planRetention } from "./retention.ts";

export interface PruneDecision extends Decision {
  size: number;
  startedAt: string;
}

/** What happens to each local copy. The bucket's are pruned by its lifecycle alone. */
export function planPruning(backups: BackupSettings, now = new Date()): PruneDecision[] {
  const manifests = new Map(readLocalManifests(backups).map((one) => [one.id, one]));
  const copies = [...manifests.values()].map((manifest) => {
    const state = readLocalProof(backups, manifest)?.state;
    const good = isGood(manifest) && state !== "failed";
    return {
      id: manifest.id,
      startedAt: manifest.startedAt,
      good,
      proven: good && state === "proven",
    };
  });
  return planRetention(copies, backups, now).map((decision) => {
    const { dump, startedAt } = manifests.get(decision.id) as Manifest;
    return { ...decision, size: dump.size, startedAt };
  });
}

/** Returns what it removed. */
export function prune(backups: BackupSettings): string[] {
  const gone = planPruning(backups).filter(({ keep }) => !keep);
  const manifests = readLocalManifests(backups);
  for (const { id } of gone) {
    const manifest = manifests.find((one) => one.id === id);
    if (manifest) removeBackup(backups.folder, manifest);
  }
  return gone.map(({ id }) => id);
}
