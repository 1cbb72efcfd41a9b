import { setTimeout as sleep } from "node:timers/promises";

export interface OwnGroup {
  /** In a process group of its own, so that a kill takes its children along. */
  ownGroup: true;
  onStart: (pid: number) => void;
}

/** Runs a command and ends it with all its children after so many milliseconds, without a word. */
export async function killedAfter(
  milliseconds: number,
  run: (options: OwnGroup) => Promise<unknown>,
): Promise<void> {
  let group = 0;
  const ended = run({
    ownGroup: true,
    onStart: (pid) => {
      group = pid;
    },
  });
  await Promise.race([ended, sleep(milliseconds)]);
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It was faster than the kill.
  }
  await ended;
}
