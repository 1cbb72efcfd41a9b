import { setTimeout as sleep } from "node:timers/promises";

export interface OwnGroup {
  /** Start the command in a process group of its own, so that the kill ends its children too. */
  ownGroup: true;
  onStart: (pid: number) => void;
}

/** Runs a command and sends SIGKILL to it and all its children after so many milliseconds. */
export const runAndKillAfter = <Ended>(
  milliseconds: number,
  run: (options: OwnGroup) => Promise<Ended>,
): Promise<Ended> => runAndKillWhen(sleep(milliseconds), run);

/** The same, but after `moment` has happened. */
export async function runAndKillWhen<Ended>(
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
    // The command ended before the kill.
  }
  return ended;
}
