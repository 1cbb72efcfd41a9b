import { withOperationLock } from "../operation-lock.ts";
import type { BackupSettings, Settings } from "../settings.ts";
import { type DumpOptions, dump } from "./dump.ts";
import { dumpEmbedded } from "./dump-embedded.ts";
import { localManifests, openFolder, removeBackup } from "./folder.ts";
import { isGood, type Manifest } from "./manifest.ts";
import { planRetention } from "./retention.ts";
import { asSuperuser, backupSettings } from "./settings.ts";
import { uploadMissing } from "./upload-missing.ts";

export interface BackupOptions extends DumpOptions {
  /** How long to wait for another operation. */
  waitMs: number;
}

export interface BackupResult {
  manifest: Manifest;
  /** Ids that this run brought to the bucket: its own, and what earlier runs could not upload. */
  uploaded: string[];
  /** Why the bucket has no copy of it. The local one counts all the same. */
  uploadError: string | null;
  pruned: string[];
}

/** One backup: dumped alone, then uploaded, then the local copies that are due are removed. */
export async function backupNow(given: Settings, options: BackupOptions): Promise<BackupResult> {
  const settings = asSuperuser(given);
  const backups = backupSettings(settings);
  const { note, signal, waitMs } = options;
  openFolder(backups.folder);
  const lock = { purpose: "backup", waitMs, ...(note && { note }), ...(signal && { signal }) };
  const manifest = await withOperationLock(settings, lock, () =>
    settings.engine === "embedded"
      ? dumpEmbedded(settings, backups, options)
      : dump(settings, backups, options),
  );
  const { uploaded, error } = await uploadMissing(backups, options);
  signal?.throwIfAborted();
  return { manifest, uploaded, uploadError: error, pruned: prune(backups) };
}

function prune(backups: BackupSettings): string[] {
  const { folder, keepDays } = backups;
  const manifests = localManifests(backups);
  const copies = manifests.map((one) => ({ ...one, good: isGood(one) }));
  const gone = planRetention(copies, keepDays, new Date()).filter(({ keep }) => !keep);
  for (const { id } of gone) {
    removeBackup(folder, manifests.find((one) => one.id === id) as Manifest);
  }
  return gone.map(({ id }) => id);
}
