import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk of a few MiB that can be filled and freed. Containers may mount its folder. Needs root. */
export class SmallDisk {
  readonly folder: string;

  constructor(mebibytes: number) {
    this.folder = mkdtempSync(join(tmpdir(), "pgstead-disk-"));
    execFileSync("mount", [
      "-t",
      "tmpfs",
      "-o",
      `size=${mebibytes}m,mode=1777`,
      "tmpfs",
      this.folder,
    ]);
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder);
    return bavail * bsize;
  }

  /** Fills the disk with one file, which `free` removes, until this many bytes are free. */
  fill(leaveBytes = 0): void {
    const take = this.freeBytes() - leaveBytes;
    if (take > 0) writeFileSync(this.#ballast(), Buffer.alloc(take));
  }

  free(): void {
    rmSync(this.#ballast(), { force: true });
  }

  remountReadOnly(): void {
    execFileSync("mount", ["-o", "remount,ro", this.folder]);
  }

  close(): void {
    // A lazy umount, because a killed process may still have files open.
    execFileSync("umount", ["-l", this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #ballast(): string {
    return join(this.folder, ".ballast");
  }
}
