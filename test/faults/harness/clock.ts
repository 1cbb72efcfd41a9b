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
 * A wall clock that jumps under a running program. Timers run on as before (the monotonic clock is
 * left alone), which is what a corrected clock looks like from inside.
 */
export class Clock {
  readonly #folder = mkdtempSync(join(tmpdir(), "pgstead-clock-"));
  readonly library = library();
  readonly file = join(this.#folder, "offset");

  constructor() {
    this.jump(0);
  }

  /** For a process of this machine; a container gets the library and the file mounted at these paths. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: this.file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** Seconds away from the true time, either way, from now on. */
  jump(seconds: number): void {
    writeFileSync(this.file, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}s\n`);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
