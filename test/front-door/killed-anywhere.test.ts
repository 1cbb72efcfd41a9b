import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Project } from "../support/project.ts";

const SEED = Number(process.env.SEED ?? 7);
const KILLS = Number(process.env.KILLS ?? 4);

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
afterAll(() => project.remove());

/** The same moments for the same seed (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Programs and language hosts of killed runs that go on without their engine. */
async function leftOver(root: string): Promise<string[]> {
  await sleep(1_500);
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => folderOf(pid) === root)
    .map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
}

function folderOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return undefined;
  }
}

test(
  `up killed ${KILLS} times at random moments of its first run (seed ${SEED}) ends whole`,
  async () => {
    const next = random(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      let group = 0;
      const ended = project.pgstead(["up"], {
        ownGroup: true,
        onStart: (pid) => {
          group = pid;
        },
      });
      await Promise.race([ended, sleep(300 + next() * 5_000)]);
      try {
        process.kill(-group, "SIGKILL");
      } catch {
        // It was faster than the kill.
      }
      await ended;
    }
    const up = await project.pgstead(["up"]);
    expect(up.code, up.all).toBe(0);
    const check = await project.pgstead(["check"]);
    expect(check.code, check.all).toBe(0);
    const list = await project.pgstead(["migrate", "list"]);
    expect(list.code, list.all).toBe(0);
    expect(await leftOver(project.root)).toEqual([]);
    const preview = await project.pgstead(["preview", "--expect-no-changes"]);
    expect(preview.code, preview.all).toBe(0);
  },
  60_000 + KILLS * 10_000,
);
