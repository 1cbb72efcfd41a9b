import { withOperationLock } from "../../connect/operation-lock.ts";
import type { Settings } from "../../settings.ts";
import { asSuperuser, backupSettings } from "../backup-settings.ts";
import type { Manifest } from "../format/manifest.ts";
import { prepareFolder } from "../store/folder.ts";
import { pruneLocalCopies } from "../store/prune.ts";
import { updateBucket } from "../store/update-bucket.ts";
import { type DumpOptions, dump } from "./dump.ts";
import { dumpEmbedded } from "./dump-embedded.ts";

export interface BackupOptions extends DumpOptions {
  /** How long to wait for another operation. */
  waitMs: number;
}

export interface BackupResult {
  manifest: Manifest;
  /** Ids of the uploaded backups: this one, and those that earlier runs could not upload. */
  uploaded: string[];
  /** Why the bucket has no copy. The local backup still counts. */
  uploadError: string | null;
  pruned: string[];
}

/** Dumps the database under the operation lock, uploads the dump, and removes old local copies. */
export async function takeBackup(given: Settings, options: BackupOptions): Promise<BackupResult> {
  const settings = asSuperuser(given);
  const backups = backupSettings(settings);
  const { note, signal, waitMs } = options;
  prepareFolder(backups.folder);
  const lock = {
    ...{ purpose: "backup", login: given.database.user, waitMs },
    ...(note && { note }),
    ...(signal && { signal }),
  };
  const manifest = await withOperationLock(settings, lock, ({ lost }) => {
    const watched = { ...options, signal: signal ? AbortSignal.any([signal, lost]) : lost };
    return settings.engine === "embedded"
      ? dumpEmbedded(settings, backups, watched)
      : dump(settings, backups, watched);
  });
  const { uploaded, error } = await updateBucket(backups, options);
  signal?.throwIfAborted();
  return { manifest, uploaded, uploadError: error, pruned: pruneLocalCopies(backups) };
}
