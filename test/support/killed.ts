import { setTimeout as sleep } from "node:timers/promises";

export interface OwnGroup {
  /** In a process group of its own, so that a kill takes its children along. */
  ownGroup: true;
  onStart: (pid: number) => void;
}

/** Runs a command and ends it with all its children after so many milliseconds, without a word. */
export const killedAfter = <Ended>(
  milliseconds: number,
  run: (options: OwnGroup) => Promise<Ended>,
): Promise<Ended> => killedWhen(sleep(milliseconds), run);

/** The same once something has happened. */
export async function killedWhen<Ended>(
  moment: Promise<unknown>,
  run: (options: OwnGroup) => Promise<Ended>,
): Promise<Ended> {
  let group = 0;
  const ended = run({
    ownGroup: true,
    onStart: (pid) => {
      group = pid;
    },
  });
  await Promise.race([ended, moment]);
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It was faster than the kill.
  }
  return ended;
}
