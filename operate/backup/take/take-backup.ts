import { withOperationLock } from "../../connect/operation-lock.ts";
import type { Settings } from "../../settings.ts";
import { asSuperuser, backupSettings } from "../backup-settings.ts";
import type { Manifest } from "../format/manifest.ts";
import { openFolder } from "../store/folder.ts";
import { prune } from "../store/prune.ts";
import { updateBucket } from "../store/update-bucket.ts";
import { type DumpOptions, dump } from "./dump.ts";
import { dumpEmbedded } from "./dump-embedded.ts";

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
export async function takeBackup(given: Settings, options: BackupOptions): Promise<BackupResult> {
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
  const { uploaded, error } = await updateBucket(backups, options);
  signal?.throwIfAborted();
  return { manifest, uploaded, uploadError: error, pruned: prune(backups) };
}
