import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

function findLibrary(): string | undefined {
  const folders = readdirSync("/usr/lib").map((name) => join("/usr/lib", name, "faketime"));
  return folders.map((folder) => join(folder, "libfaketime.so.1")).find(existsSync);
}

function library(): string {
  let found = findLibrary();
  if (!found) {
    execFileSync("apt-get", ["install", "-y", "--no-install-recommends", "libfaketime"], {
      stdio: "ignore",
    });
    found = findLibrary();
  }
  if (!found) throw new Error("clock jumps need libfaketime (Debian: apt-get install libfaketime)");
  return found;
}

/**
 * A wall clock that jumps while a program runs. The monotonic clock and its timers go on as before. A program
 * sees the same when somebody corrects the system's clock.
 */
export class Clock {
  readonly #folder = mkdtempSync(join(tmpdir(), "pgstead-clock-"));
  readonly library = library();
  readonly file = join(this.#folder, "offset");

  constructor() {
    this.jump(0);
  }

  /** For a process on this machine. For a container, mount the library and the file at the same paths. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** From now on, the clock differs from the true time by this many seconds. */
  jump(seconds: number): void {
    writeFileSync(this.file, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}s\n`);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
