import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Random } from "../faults/harness.ts";
import { Project } from "../support/project.ts";
import { runAndKillAfter } from "../support/run-and-kill.ts";

const SEED = Number(process.env.SEED ?? 7);
const KILLS = Number(process.env.KILLS ?? 4);

let project: Project;
beforeAll(async () => {
  project = await Project.create();
});
afterAll(() => project.remove());

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
    const random = new Random(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      await runAndKillAfter(random.between(300, 5_300), (group) => project.pgstead(["up"], group));
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
  120_000 + KILLS * 60_000,
);
