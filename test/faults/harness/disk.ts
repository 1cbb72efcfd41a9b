import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk of a few MiB that can be filled and freed; containers may bind its folder. Needs root. */
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

  /** Leaves this much free; the space is held by one file, which `free` removes. */
  fill(leaveBytes = 0): void {
    const take = this.freeBytes() - leaveBytes;
    if (take > 0) writeFileSync(this.#ballast(), Buffer.alloc(take));
  }

  free(): void {
    rmSync(this.#ballast(), { force: true });
  }

  close(): void {
    // Lazily: something that was killed may not have let go of its files yet.
    execFileSync("umount", ["-l", this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #ballast(): string {
    return join(this.folder, ".ballast");
  }
}
